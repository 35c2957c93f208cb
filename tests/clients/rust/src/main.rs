//! Calls a Bedrock endpoint with the AWS SDK for Rust; ../../README.md says what goes in and comes out.
use std::{env, error::Error};

use aws_config::BehaviorVersion;
use aws_sdk_bedrockruntime::{
    operation::converse::{ConverseError, ConverseOutput},
    primitives::Blob,
    types::{
        ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput,
        InferenceConfiguration, Message,
    },
    Client,
};
use serde_json::{json, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, model, question, body] = arguments.as_slice() else {
        return Err("usage: craton-client MODEL QUESTION NATIVE_BODY".into());
    };
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);

    let converse = text_of(&converse(&client, model, question).await?)?.to_owned();
    let stream = stream(&client, model, question).await?;
    let invoke = invoke(&client, model, body).await?;
    let error = error_of_unknown_model(&client, question).await?;
    println!(
        "{}",
        json!({ "converse": converse, "stream": stream, "invoke": invoke, "error": error })
    );
    Ok(())
}

fn message(question: &str) -> Result<Message, Box<dyn Error>> {
    Ok(Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(question.into()))
        .build()?)
}

fn limits() -> InferenceConfiguration {
    InferenceConfiguration::builder()
        .max_tokens(40)
        .temperature(0.0)
        .build()
}

async fn converse(
    client: &Client,
    model: &str,
    question: &str,
) -> Result<ConverseOutput, Box<dyn Error>> {
    let call = client
        .converse()
        .model_id(model)
        .messages(message(question)?)
        .inference_config(limits());
    Ok(call
        .send()
        .await
        .map_err(|error| error.into_service_error())?)
}

fn text_of(reply: &ConverseOutput) -> Result<&str, &'static str> {
    let message = reply.output().and_then(|output| output.as_message().ok());
    let block = message.and_then(|message| message.content().first());
    block
        .and_then(|block| block.as_text().ok())
        .map(String::as_str)
        .ok_or("the reply holds no text")
}

async fn stream(client: &Client, model: &str, question: &str) -> Result<Value, Box<dyn Error>> {
    let call = client
        .converse_stream()
        .model_id(model)
        .messages(message(question)?)
        .inference_config(limits());
    let mut reply = call.send().await?;
    let (mut events, mut text, mut output_tokens) = (Vec::new(), String::new(), 0);
    while let Some(event) = reply.stream.recv().await? {
        events.push(match event {
            ConverseStreamOutput::MessageStart(_) => "messageStart",
            ConverseStreamOutput::ContentBlockDelta(event) => {
                if let Some(ContentBlockDelta::Text(part)) = event.delta() {
                    text.push_str(part);
                }
                "contentBlockDelta"
            }
            ConverseStreamOutput::ContentBlockStop(_) => "contentBlockStop",
            ConverseStreamOutput::MessageStop(_) => "messageStop",
            ConverseStreamOutput::Metadata(event) => {
                output_tokens = event.usage().map_or(0, |usage| usage.output_tokens());
                "metadata"
            }
            _ => "unknown",
        });
    }
    events.dedup();
    Ok(json!({ "events": events, "text": text, "outputTokens": output_tokens }))
}

async fn invoke(client: &Client, model: &str, body: &str) -> Result<String, Box<dyn Error>> {
    let reply = client
        .invoke_model()
        .model_id(model)
        .body(Blob::new(body))
        .send()
        .await?;
    Ok(String::from_utf8(reply.body.into_inner())?)
}

async fn error_of_unknown_model(client: &Client, question: &str) -> Result<String, Box<dyn Error>> {
    let refused = converse(client, "nobody.no-such-model-v1", question)
        .await
        .err()
        .ok_or("expected an error")?;
    match *refused.downcast::<ConverseError>()? {
        ConverseError::ValidationException(invalid) => {
            Ok(invalid.message().unwrap_or_default().to_owned())
        }
        other => Err(other.into()),
    }
}
