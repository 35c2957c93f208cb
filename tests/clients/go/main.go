// Calls a Bedrock endpoint with the AWS SDK for Go v2; ../README.md says what goes in and comes out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	bedrock "github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

type streamed struct {
	Events       []string `json:"events"` // a run of equal ones is listed once
	Text         string   `json:"text"`
	OutputTokens int32    `json:"outputTokens"`
}

type report struct {
	Converse string   `json:"converse"`
	Stream   streamed `json:"stream"`
	Invoke   string   `json:"invoke"`
	Error    string   `json:"error"`
}

func main() {
	model, question, body := os.Args[1], os.Args[2], os.Args[3]
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	check(err)
	client := bedrock.NewFromConfig(settings)

	reply, err := converse(ctx, client, model, question)
	check(err)
	result := report{Converse: textOf(reply), Stream: stream(ctx, client, model, question)}

	invoked, err := client.InvokeModel(ctx, &bedrock.InvokeModelInput{ModelId: &model, Body: []byte(body)})
	check(err)
	result.Invoke = string(invoked.Body)

	_, err = converse(ctx, client, "nobody.no-such-model-v1", question)
	var invalid *types.ValidationException
	if !errors.As(err, &invalid) {
		log.Fatalf("expected a ValidationException, got %v", err)
	}
	result.Error = invalid.ErrorMessage()
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func messages(question string) []types.Message {
	content := []types.ContentBlock{&types.ContentBlockMemberText{Value: question}}
	return []types.Message{{Role: types.ConversationRoleUser, Content: content}}
}

func limits() *types.InferenceConfiguration {
	maxTokens, temperature := int32(40), float32(0)
	return &types.InferenceConfiguration{MaxTokens: &maxTokens, Temperature: &temperature}
}

func converse(ctx context.Context, client *bedrock.Client, model, question string) (*bedrock.ConverseOutput, error) {
	return client.Converse(ctx, &bedrock.ConverseInput{ModelId: &model, Messages: messages(question), InferenceConfig: limits()})
}

func textOf(reply *bedrock.ConverseOutput) string {
	message := reply.Output.(*types.ConverseOutputMemberMessage).Value
	return message.Content[0].(*types.ContentBlockMemberText).Value
}

func stream(ctx context.Context, client *bedrock.Client, model, question string) streamed {
	reply, err := client.ConverseStream(ctx, &bedrock.ConverseStreamInput{
		ModelId: &model, Messages: messages(question), InferenceConfig: limits()})
	check(err)
	defer reply.GetStream().Close()

	var result streamed
	for event := range reply.GetStream().Events() {
		switch event := event.(type) {
		case *types.ConverseStreamOutputMemberMessageStart:
			result.saw("messageStart")
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			result.saw("contentBlockDelta")
			result.Text += event.Value.Delta.(*types.ContentBlockDeltaMemberText).Value
		case *types.ConverseStreamOutputMemberContentBlockStop:
			result.saw("contentBlockStop")
		case *types.ConverseStreamOutputMemberMessageStop:
			result.saw("messageStop")
		case *types.ConverseStreamOutputMemberMetadata:
			result.saw("metadata")
			result.OutputTokens = *event.Value.Usage.OutputTokens
		default:
			result.saw(fmt.Sprintf("%T", event))
		}
	}
	check(reply.GetStream().Err())
	return result
}

func (s *streamed) saw(event string) {
	if len(s.Events) == 0 || s.Events[len(s.Events)-1] != event {
		s.Events = append(s.Events, event)
	}
}
