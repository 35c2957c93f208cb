#include "cli/client.h"

#include "base/json.h"
#include "net/eventstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_MODEL "anthropic.claude-3-haiku-20240307-v1:0"
#define TURNS_MAX     1000
#define BODY_MAX      (24u << 20)

struct turn {
    const char *role;
    struct view text;
};

struct chat {
    struct cli *cli;
    struct local *local;
    const char *model;
    struct turn turns[TURNS_MAX];
    size_t turn_count;
};

/* One answer while it streams. */
struct answer_stream {
    struct buf bytes;                                       /* frames not yet whole */
    struct buf text;
    int64_t begun_us, first_us;
    int64_t input_tokens, output_tokens;
    struct view failure;                                    /* of an exception in the stream, in the arena */
    struct arena *arena;
};

static int64_t now_us(void)
{
    return clock_mono_us(clock_system());
}

static void take_event(struct answer_stream *stream, const struct eventstream_frame *frame)
{
    const struct json *event = json_parse(stream->arena, frame->payload, JSON_DEPTH_DEFAULT, NULL);
    struct view text = json_get_string(json_get(event, "delta"), "text");
    const struct json *usage = json_get(event, "usage");
    if (view_is(eventstream_header(frame, ":message-type"), "exception"))
        stream->failure = json_get_string(event, "message");
    if (usage != NULL) {
        json_get_i64(usage, "inputTokens", &stream->input_tokens);
        json_get_i64(usage, "outputTokens", &stream->output_tokens);
    }
    if (text.len == 0)
        return;
    if (stream->first_us == 0)
        stream->first_us = now_us();
    buf_append_view(&stream->text, text);
    fwrite(text.ptr, 1, text.len, stdout);
    fflush(stdout);
}

static bool take_bytes(void *ctx, struct view bytes)
{
    struct answer_stream *stream = ctx;
    buf_append_view(&stream->bytes, bytes);
    for (;;) {
        struct eventstream_frame frame;
        enum eventstream_result result = eventstream_read(buf_view(&stream->bytes), &frame);
        if (result == EVENTSTREAM_INCOMPLETE)
            return !buf_failed(&stream->bytes);
        if (result == EVENTSTREAM_BROKEN) {
            stream->failure = VIEW("the stream is broken");
            return false;
        }
        take_event(stream, &frame);
        buf_consume(&stream->bytes, frame.size);
    }
}

static void print_figures(const struct answer_stream *stream)
{
    int64_t end = now_us();
    double first = (double)(stream->first_us - stream->begun_us) / 1e6, rest = (double)(end - stream->first_us) / 1e6;
    fprintf(stderr, "[%lld input tokens, %lld output tokens, first token after %.2f s", (long long)stream->input_tokens,
            (long long)stream->output_tokens, stream->first_us > 0 ? first : 0.0);
    if (stream->output_tokens > 1 && rest > 0)
        fprintf(stderr, ", %.1f tokens/s", (double)(stream->output_tokens - 1) / rest);
    fputs("]\n", stderr);
}

static void write_request(const struct chat *chat, struct buf *body)
{
    struct json_writer json;
    json_writer_init(&json, body);
    json_object(&json);
    json_key(&json, "messages");
    json_array(&json);
    for (size_t i = 0; i < chat->turn_count; i++) {
        json_object(&json);
        json_put_cstr(&json, "role", chat->turns[i].role);
        json_key(&json, "content");
        json_array(&json);
        json_object(&json);
        json_put_string(&json, "text", chat->turns[i].text);
        json_end(&json);
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

static int finish_answer(struct chat *chat, struct answer_stream *stream, const struct client_answer *answer)
{
    if (answer->status != 200)
        return cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(chat->cli, answer)));
    putchar('\n');
    if (stream->failure.len > 0)
        return cli_fail(VIEW_FMT, VIEW_ARG(stream->failure));
    fflush(stdout);
    print_figures(stream);
    struct view text = arena_copy(chat->cli->arena, buf_view(&stream->text));
    if (chat->turn_count < TURNS_MAX && view_trim(text).len > 0)
        chat->turns[chat->turn_count++] = (struct turn){ "assistant", text };
    else
        chat->turn_count--;                                 /* an empty answer cannot stand in a conversation */
    return EXIT_DONE;
}

/* Sends the conversation, prints the answer as it comes and adds it. */
static int ask(struct chat *chat)
{
    struct answer_stream stream = {
        .bytes = BUF_INIT(2 * EVENTSTREAM_FRAME_MAX), .text = BUF_INIT(BODY_MAX), .begun_us = now_us(), .arena = chat->cli->arena
    };
    struct buf body = BUF_INIT(BODY_MAX);
    write_request(chat, &body);
    struct client_call call = {
        .method = "POST",
        .path = client_model_path(chat->cli, chat->model, "converse-stream"),
        .body = buf_view(&body),
        .on_bytes = take_bytes,
        .ctx = &stream,
    };
    struct client_answer answer;
    int status = EXIT_FAILED;
    if (buf_failed(&body))
        cli_fail("the conversation is too long");
    else if (call.path != NULL && client_call(chat->cli, chat->local, &call, &answer))
        status = finish_answer(chat, &stream, &answer);
    buf_free(&body);
    buf_free(&stream.bytes);
    buf_free(&stream.text);
    return status;
}

/* Each line is a turn, until end of input. A turn that fails is forgotten, and the conversation goes on. */
static int talk(struct chat *chat)
{
    bool terminal = isatty(STDIN_FILENO);
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    if (terminal)
        fprintf(stderr, "Talking with %s. End with Ctrl-D.\n", chat->model);
    for (;;) {
        if (terminal)
            fputs("> ", stderr);
        len = getline(&line, &size, stdin);
        if (len < 0)
            break;
        struct view text = view_trim(view_of(line, (size_t)len));
        if (text.len == 0)
            continue;
        if (chat->turn_count + 2 > TURNS_MAX) {
            cli_fail("the conversation has %d turns: begin another", TURNS_MAX);
            break;
        }
        chat->turns[chat->turn_count++] = (struct turn){ "user", arena_copy(chat->cli->arena, text) };
        size_t before = chat->turn_count;
        if (ask(chat) != EXIT_DONE)
            chat->turn_count = before - 1;
    }
    free(line);
    return EXIT_DONE;
}

/* craton chat [TEXT] */
int command_chat(struct cli *cli)
{
    const char *model = cli_option(cli, "model");
    struct local local;
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 2)
        return cli_usage(cli, "give one text, in quotes");
    struct chat *chat = ARENA_NEW(cli->arena, struct chat);
    if (chat == NULL)
        return cli_fail("out of memory");
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    *chat = (struct chat){ .cli = cli, .local = &local, .model = model != NULL ? model : DEFAULT_MODEL };
    int status;
    if (cli->argc == 2) {
        chat->turns[chat->turn_count++] = (struct turn){ "user", view_from_cstr(cli->argv[1]) };
        status = ask(chat);
    } else {
        status = talk(chat);
    }
    local_close(&local);
    return status;
}
