// Asks MODEL one question by ConverseStream, with the SDK's defaults, and prints what came back as one JSON object.
const { BedrockRuntimeClient, ConverseStreamCommand } = require("@aws-sdk/client-bedrock-runtime");

const [modelId, question] = process.argv.slice(2);

async function ask(client) {
    const { stream } = await client.send(new ConverseStreamCommand({
        modelId,
        messages: [{ role: "user", content: [{ text: question }] }],
        inferenceConfig: { maxTokens: 40, temperature: 0 },
    }));
    const result = { types: [], text: "", usage: null };
    for await (const event of stream) {
        const type = Object.keys(event)[0];
        if (result.types.at(-1) !== type)
            result.types.push(type);
        result.text += event.contentBlockDelta?.delta?.text ?? "";
        result.usage = event.metadata?.usage ?? result.usage;
    }
    return result;
}

const client = new BedrockRuntimeClient({ maxAttempts: 1 });
ask(client)
    .catch((error) => ({ error: { name: error.name, message: error.message, status: error.$metadata?.httpStatusCode } }))
    .then((result) => console.log(JSON.stringify(result)))
    .finally(() => client.destroy());
