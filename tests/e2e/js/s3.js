// Puts a string, a file stream and bytes, reads them back, and uses a presigned URL; prints what came as one JSON document.
const fs = require("fs");
const { Readable } = require("stream");
const { S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command,
    DeleteObjectsCommand, DeleteBucketCommand } = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const [bucket, file] = process.argv.slice(2);
const client = new S3Client({ maxAttempts: 1, forcePathStyle: true });
const text = async (Key) => (await client.send(new GetObjectCommand({ Bucket: bucket, Key }))).Body.transformToString();

(async () => {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const put = await client.send(new PutObjectCommand({ Bucket: bucket, Key: "text/ü +", Body: "hello", Metadata: { colour: "blue" } }));
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "file", Body: fs.createReadStream(file) }));
    const chunks = Readable.from(["one ", "two ", "three"], { objectMode: false });
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "stream", Body: chunks, ContentLength: 13 }));
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "sha", Body: Buffer.from("bytes"), ChecksumAlgorithm: "SHA256" }));
    const sha = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: "sha", ChecksumMode: "ENABLED" }));
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: "by url" }), { expiresIn: 60 });
    const uploaded = await fetch(url, { method: "PUT", body: "from fetch" });
    const missing = await text("nobody").catch((error) => error.name);
    const fileBytes = (await (await client.send(new GetObjectCommand({ Bucket: bucket, Key: "file" }))).Body.transformToByteArray()).length;
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const result = { etag: put.ETag, text: await text("text/ü +"), stream: await text("stream"), fileBytes, url: uploaded.status,
        byUrl: await text("by url"), missing, sha: sha.ChecksumSHA256, keys: Contents.map((entry) => entry.Key) };
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }));
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    console.log(JSON.stringify(result));
})().finally(() => client.destroy());
