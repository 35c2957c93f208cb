// Prints the ids of ListFoundationModels as a JSON array.
const { BedrockClient, ListFoundationModelsCommand } = require("@aws-sdk/client-bedrock");

const client = new BedrockClient({ maxAttempts: 1 });
client.send(new ListFoundationModelsCommand({}))
    .then(({ modelSummaries }) => console.log(JSON.stringify(modelSummaries.map((model) => model.modelId))))
    .finally(() => client.destroy());
