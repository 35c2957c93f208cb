import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.protocols.jsoncore.JsonWriter;
import software.amazon.awssdk.services.bedrockruntime.BedrockRuntimeAsyncClient;
import software.amazon.awssdk.services.bedrockruntime.BedrockRuntimeClient;
import software.amazon.awssdk.services.bedrockruntime.model.ContentBlock;
import software.amazon.awssdk.services.bedrockruntime.model.ConversationRole;
import software.amazon.awssdk.services.bedrockruntime.model.ConverseResponse;
import software.amazon.awssdk.services.bedrockruntime.model.ConverseStreamResponseHandler;
import software.amazon.awssdk.services.bedrockruntime.model.InferenceConfiguration;
import software.amazon.awssdk.services.bedrockruntime.model.Message;
import software.amazon.awssdk.services.bedrockruntime.model.ValidationException;

/** Calls a Bedrock endpoint with the AWS SDK for Java 2.x; ../../../../README.md says what goes in and comes out. */
public final class Client {
    private static final InferenceConfiguration LIMITS =
        InferenceConfiguration.builder().maxTokens(40).temperature(0f).build();

    /** What ConverseStream sent; a run of equal events is listed once. Filled by the SDK's threads, read when they are done. */
    private static final class Streamed {
        final List<String> events = new ArrayList<>();
        final StringBuilder text = new StringBuilder();
        int outputTokens;

        void saw(String event) {
            if (events.isEmpty() || !events.get(events.size() - 1).equals(event)) {
                events.add(event);
            }
        }
    }

    public static void main(String[] arguments) {
        String model = arguments[0];
        String question = arguments[1];
        String body = arguments[2];
        JsonWriter json = JsonWriter.create().writeStartObject();
        try (BedrockRuntimeClient client = BedrockRuntimeClient.create()) {
            json.writeFieldName("converse").writeValue(textOf(converse(client, model, question)));
            json.writeFieldName("invoke").writeValue(invoke(client, model, body));
            json.writeFieldName("error").writeValue(errorOfUnknownModel(client, question));
        }
        try (BedrockRuntimeAsyncClient client = BedrockRuntimeAsyncClient.create()) {
            writeStream(json, stream(client, model, question));
        }
        json.writeEndObject();
        System.out.println(new String(json.getBytes(), StandardCharsets.UTF_8));
    }

    private static Message message(String question) {
        return Message.builder().role(ConversationRole.USER).content(ContentBlock.fromText(question)).build();
    }

    private static ConverseResponse converse(BedrockRuntimeClient client, String model, String question) {
        return client.converse(r -> r.modelId(model).messages(message(question)).inferenceConfig(LIMITS));
    }

    private static String textOf(ConverseResponse reply) {
        return reply.output().message().content().get(0).text();
    }

    private static String invoke(BedrockRuntimeClient client, String model, String body) {
        return client.invokeModel(r -> r.modelId(model).body(SdkBytes.fromUtf8String(body))).body().asUtf8String();
    }

    private static String errorOfUnknownModel(BedrockRuntimeClient client, String question) {
        try {
            converse(client, "nobody.no-such-model-v1", question);
        } catch (ValidationException invalid) {
            return invalid.awsErrorDetails().errorMessage();
        }
        throw new IllegalStateException("expected a ValidationException");
    }

    private static Streamed stream(BedrockRuntimeAsyncClient client, String model, String question) {
        Streamed result = new Streamed();
        ConverseStreamResponseHandler handler = ConverseStreamResponseHandler.builder()
            .subscriber(ConverseStreamResponseHandler.Visitor.builder()
                .onMessageStart(event -> result.saw("messageStart"))
                .onContentBlockDelta(event -> {
                    result.saw("contentBlockDelta");
                    result.text.append(event.delta().text());
                })
                .onContentBlockStop(event -> result.saw("contentBlockStop"))
                .onMessageStop(event -> result.saw("messageStop"))
                .onMetadata(event -> {
                    result.saw("metadata");
                    result.outputTokens = event.usage().outputTokens();
                })
                .onDefault(event -> result.saw("unknown"))
                .build())
            .build();
        client.converseStream(r -> r.modelId(model).messages(message(question)).inferenceConfig(LIMITS), handler).join();
        return result;
    }

    private static void writeStream(JsonWriter json, Streamed streamed) {
        json.writeFieldName("stream").writeStartObject();
        json.writeFieldName("events").writeStartArray();
        streamed.events.forEach(json::writeValue);
        json.writeEndArray();
        json.writeFieldName("text").writeValue(streamed.text.toString());
        json.writeFieldName("outputTokens").writeValue(streamed.outputTokens);
        json.writeEndObject();
    }

    private Client() {
    }
}
