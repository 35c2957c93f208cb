/* base/config_table.h - every setting, one line each; config.h says what becomes of them.
 *
 * ROW(ID, key, type, default, range, help)
 *
 * The key is also a flag (--net-idle-timeout) and an environment variable (CRATON_NET_IDLE_TIMEOUT). The range is "low..high" in
 * the type's own notation, "one|other" for a choice, or empty. A tree is a map or list that can stand in the file only.
 */
#ifndef CRATON_BASE_CONFIG_TABLE_H
#define CRATON_BASE_CONFIG_TABLE_H

#define CONFIG_TABLE(ROW)                                                                                                        \
    ROW(CONFIG, "config", STRING, "", "", "The file to read settings from, in YAML. Not a key of the file itself.")              \
    ROW(LISTEN, "listen", STRING, "127.0.0.1:4747", "", "Address and port to serve on. Port 0 takes a free one.")                \
    ROW(DATA, "data", STRING, "", "", "Data directory. Empty: `craton` in the XDG data directory.")                              \
    ROW(ACCOUNT, "account", STRING, "123456789012", "", "The account that everything belongs to, twelve digits.")                \
    ROW(REGION, "region", STRING, "us-east-1", "", "The region of calls whose signature names none.")                            \
    ROW(AUTH, "auth", CHOICE, "on", "on|off", "`off` takes every call as the administrator's; on loopback addresses only.")      \
    ROW(ELASTIC_LISTEN, "elastic.listen", STRING, "", "",                                                                        \
        "A second address, for Elasticsearch's inference API alone, such as 127.0.0.1:9200. Empty: none.")                       \
    ROW(ELASTIC_ENDPOINT_URLS, "elastic.endpoint_urls", TREE, "", "",                                                            \
        "Other AWS-compatible servers that inference endpoints may name as `endpoint_url`: a list of URLs.")                     \
    ROW(S3_DOMAINS, "s3.domains", TREE, "", "",                                                                                  \
        "Domains whose subdomains are buckets, beside `localhost`: a list of names. `BUCKET.DOMAIN` must lead here.")            \
    ROW(TLS, "tls", CHOICE, "off", "off|self-signed", "`self-signed` makes a certificate. With `tls.cert` TLS is on anyway.")    \
    ROW(TLS_CERT, "tls.cert", STRING, "", "", "Certificate chain to serve TLS with, a PEM file.")                                \
    ROW(TLS_KEY, "tls.key", STRING, "", "", "The certificate's private key, a PEM file.")                                        \
    ROW(NET_HEADER_TIMEOUT, "net.header_timeout", DURATION, "60s", "1s..1h", "Time for a request's headers to arrive.")          \
    ROW(NET_IDLE_TIMEOUT, "net.idle_timeout", DURATION, "10m", "1s..24h", "Time without traffic that closes a connection.")      \
    ROW(NET_GRACE, "net.grace", DURATION, "30s", "0..1h", "Time for running calls to finish when the server stops.")             \
    ROW(NET_MAX_CONNECTIONS, "net.max_connections", INT, "4096", "1..1000000", "Connections served at once.")                    \
    ROW(NET_JSON_DEPTH, "net.json_depth", INT, "512", "1..10000", "Nesting allowed in JSON bodies.")                             \
    ROW(NET_BODY_MAX, "net.body_max", SIZE, "25MB", "1KiB..4GiB", "The largest body of a runtime call.")                         \
    ROW(NET_UNVERIFIED_BODY_BUDGET, "net.unverified_body_budget", SIZE, "256MiB", "1MiB..64GiB",                                 \
        "Body bytes held at once for calls whose signature is not verified yet.")                                                \
    ROW(NET_POOL_THREADS, "net.pool_threads", INT, "8", "1..256", "Threads for calls that may block.")                           \
    ROW(LOG_LEVEL, "log.level", CHOICE, "info", "debug|info|warn|error", "The least important lines that are written.")          \
    ROW(LOG_FORMAT, "log.format", CHOICE, "auto", "auto|text|json", "`auto`: text on a terminal, JSON otherwise.")               \
    ROW(ENGINE_LOAD_WAIT, "engine.load_wait", DURATION, "20s", "0..10m",                                                         \
        "How long a call waits for its model to load, before ModelNotReadyException.")                                           \
    ROW(ENGINE_QUEUE_WAIT, "engine.queue_wait", DURATION, "30s", "0..10m", "How long a call waits for its turn, before 503.")    \
    ROW(ENGINE_MODEL_TIMEOUT, "engine.model_timeout", DURATION, "10m", "1s..24h", "How long a model may work on one call.")      \
    ROW(ENGINE_MEMORY_BUDGET, "engine.memory_budget", SIZE, "0", "0..64TiB",                                                     \
        "Memory for all loaded models. 0: three quarters of the machine's.")                                                     \
    ROW(ENGINE_THREADS, "engine.threads", INT, "0", "0..1024", "Compute threads over all models. 0: one a core.")                \
    ROW(ENGINE_MAX_QUEUE, "engine.max_queue", INT, "1024", "1..1000000", "Calls that may wait for one model.")                   \
    ROW(ENGINE_IDLE_UNLOAD, "engine.idle_unload", DURATION, "0", "0..720h", "Idle time that unloads a model. 0: never.")         \
    ROW(MODELS_DEFAULT_TEXT, "models.default_text", STRING, "", "",                                                              \
        "The local model that serves text ids without a mapping. Empty: the installed default.")                                 \
    ROW(MODELS_DEFAULT_EMBEDDING, "models.default_embedding", STRING, "", "",                                                    \
        "The local model that serves embedding ids without a mapping. Empty: the installed default.")                            \
    ROW(MODELS_SHARED_DIR, "models.shared_dir", STRING, "", "",                                                                  \
        "Where the set-up installed models. Empty: `craton/models` in the cache directory.")                                     \
    ROW(PIPELINE_INTERVAL, "pipeline.interval", DURATION, "15m", "1s..24h",                                                      \
        "How often the pipelines look for files, follow their jobs and submit, also when nothing is known to have changed.")     \
    ROW(PIPELINE_IMMEDIATE, "pipeline.immediate", CHOICE, "on", "on|off",                                                        \
        "`on` follows and submits jobs also at once, when a file, a job or a slot comes free.")                                  \
    ROW(PIPELINE_MAX_ATTEMPTS, "pipeline.max_attempts", INT, "5", "1..100",                                                      \
        "Submissions of one file before it has failed for good, where trying again may help.")                                   \
    ROW(PIPELINE_RETRY_DELAY, "pipeline.retry_delay", DURATION, "30s", "1s..1h",                                                 \
        "The wait before a file's second attempt. It doubles before each further one.")                                          \
    ROW(BATCH_JOBS_PER_MODEL, "batch.jobs_per_model", INT, "10", "1..1000",                                                      \
        "Batch inference jobs of one model that may be active at once.")                                                         \
    ROW(BATCH_RUNNING_JOBS, "batch.running_jobs", INT, "4", "1..100",                                                            \
        "Batch inference jobs that are in progress at once, over all models. Further ones stay Scheduled.")                      \
    ROW(BATCH_MIN_RECORDS, "batch.min_records", INT, "1", "1..1000000", "The fewest records that a job may have.")               \
    ROW(BATCH_MAX_FILE_RECORDS, "batch.max_file_records", INT, "100000", "1..100000000", "The most records of one input file.")  \
    ROW(BATCH_MAX_JOB_RECORDS, "batch.max_job_records", INT, "1000000", "1..100000000", "The most records of one job.")          \
    ROW(BATCH_MAX_FILE_SIZE, "batch.max_file_size", SIZE, "1GiB", "1KiB..5TiB", "The largest input file.")                       \
    ROW(BATCH_MAX_JOB_SIZE, "batch.max_job_size", SIZE, "5GiB", "1KiB..5TiB", "The most bytes of one job's input files.")        \
    ROW(BATCH_IN_FLIGHT, "batch.in_flight", INT, "128", "1..1000",                                                               \
        "Records of one job that are at the model at once. Fewer are when the model is busy.")                                   \
    ROW(BATCH_RETRY_FOR, "batch.retry_for", DURATION, "10m", "0..168h",                                                          \
        "How long a record is tried again while its model takes no calls, before it fails.")                                     \
    ROW(ASYNC_AT_ONCE, "async.at_once", INT, "4", "1..256", "Asynchronous invocations that run at the same time.")               \
    ROW(ASYNC_RETRY, "async.retry", DURATION, "10m", "0..24h",                                                                   \
        "How long an asynchronous invocation is tried again when no model is free or its bucket does not answer.")               \
    ROW(MODELS_MAP, "models.map", TREE, "", "", "Which local model or backend serves which Bedrock ids.")                        \
    ROW(OBJECTS_REMOTES, "objects.remotes", TREE, "", "", "Buckets that lie on another S3, and how to reach it.")                 \
    ROW(BACKENDS, "backends", TREE, "", "", "OpenAI-compatible servers that models may be served from.")                         \
    ROW(SCRIPTED_RULES, "scripted.rules", TREE, "", "", "What the scripted models answer, for testing programs.")

#endif
