// The Elasticsearch client: endpoints, then answers, embeddings and streams. Prints what it saw as one JSON object.
const { Client } = require("@elastic/elasticsearch");

const key = process.env.AWS_ACCESS_KEY_ID, secret = process.env.AWS_SECRET_ACCESS_KEY;
const client = new Client({ node: process.env.AWS_ENDPOINT_URL, auth: { username: key, password: secret } });

const bedrock = (provider, model) => ({
  service: "amazonbedrock",
  service_settings: { access_key: key, secret_key: secret, region: "us-east-1", provider, model },
});

// Server-sent events of a stream: [{ event, data }].
async function events(stream) {
  let text = "";
  for await (const piece of stream) text += piece.toString();
  return text.split("\n\n").filter(Boolean).map((frame) => {
    const fields = Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
    return { event: fields.event, data: fields.data === "[DONE]" ? fields.data : JSON.parse(fields.data) };
  });
}

async function main() {
  const seen = { info: await client.info() };
  seen.embeddings = await client.inference.put({
    task_type: "text_embedding",
    inference_id: "js_embeddings",
    inference_config: bedrock("amazontitan", "amazon.titan-embed-text-v2:0"),
  });
  seen.completion = await client.inference.put({
    task_type: "completion",
    inference_id: "js_completion",
    inference_config: bedrock("amazontitan", "amazon.titan-text-premier-v1:0"),
  });
  seen.typed = await client.inference.putAmazonbedrock({
    task_type: "chat_completion",
    amazonbedrock_inference_id: "js_chat",
    ...bedrock("anthropic", "anthropic.claude-3-haiku-20240307-v1:0"),
  });
  seen.answer = await client.inference.completion({ inference_id: "js_completion", input: "What is the capital of France?" });
  seen.vectors = await client.inference.textEmbedding({ inference_id: "js_embeddings", input: ["one", "two"] });
  seen.stream = await events(await client.inference.streamCompletion({ inference_id: "js_completion", input: "Say hello." },
    { asStream: true }));
  seen.chat = await events(await client.inference.chatCompletionUnified({
    inference_id: "js_chat",
    chat_completion_request: { messages: [{ role: "user", content: "Say hello." }], max_completion_tokens: 12 },
  }, { asStream: true }));
  seen.tools = await events(await client.inference.chatCompletionUnified({
    inference_id: "js_chat",
    chat_completion_request: {
      messages: [{ role: "user", content: "What is the weather in Paris?" }],
      max_completion_tokens: 200,
      temperature: 0,
      tools: [{ type: "function", function: { name: "get_weather", description: "The weather of a city.",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false } } }],
      tool_choice: { type: "function", function: { name: "get_weather" } },
    },
  }, { asStream: true }));
  seen.list = (await client.inference.get()).endpoints.map((endpoint) => endpoint.inference_id);
  try {
    await client.inference.get({ inference_id: "nothing" });
  } catch (error) {
    seen.error = { status: error.statusCode, type: error.body.error.type };
  }
  for (const id of ["js_embeddings", "js_completion", "js_chat"])
    seen.deleted = await client.inference.delete({ inference_id: id });
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error, JSON.stringify(error.meta && error.meta.body));
  process.exit(1);
});
