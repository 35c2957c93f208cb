#include "runtime/native_result.h"

#define NATIVE_MAX  (32u << 20)
#define POINTER_MAX 1024

bool native_result(const struct answer *answer, const struct engine_end *end, struct gen_result *result)
{
    struct gen_tool_call *calls = ARENA_ARRAY(answer->arena, struct gen_tool_call, answer->count + 1);
    if (calls == NULL)
        return false;
    *result = (struct gen_result){
        .text = answer_text(answer, ANSWER_TEXT),
        .reasoning = answer_text(answer, ANSWER_REASONING),
        .tool_calls = calls,
        .end = end,
        .probs = answer->probs,
        .prob_count = answer->prob_count,
    };
    for (size_t i = 0; i < answer->count; i++) {
        const struct answer_block *block = &answer->blocks[i];
        if (block->type == ANSWER_TOOL_CALL)
            calls[result->tool_call_count++] =
                (struct gen_tool_call){ .id = block->id, .name = block->name, .arguments = buf_view(&block->text) };
    }
    return true;
}

bool response_paths_valid(struct call *call, const struct json *paths, enum aws_status *status)
{
    struct json_iter it = json_iter(paths);
    while (json_next(&it)) {
        bool valid;
        json_pointer(NULL, json_string(it.value), &valid);
        if (valid && json_string(it.value).len > 0)
            continue;
        *status = call_fail(call, AWS_VALIDATION, "The value at additionalModelResponseFieldPaths.%zu is not a valid JSON pointer. Begin "
                                                  "each path with a slash, for example /stop_sequence.", it.index);
        return false;
    }
    return true;
}

/* ---- picking members by pointers ---- */

enum pick { PICK_NO, PICK_INSIDE, PICK_WHOLE };

static enum pick picked(const struct json *paths, struct view pointer)
{
    enum pick pick = PICK_NO;
    struct json_iter it = json_iter(paths);
    while (json_next(&it)) {
        struct view path = json_string(it.value);
        if (view_eq(path, pointer))
            return PICK_WHOLE;
        if (view_starts_with(path, pointer) && path.ptr[pointer.len] == '/')
            pick = PICK_INSIDE;
    }
    return pick;
}

static void append_token(struct buf *pointer, const struct json_iter *it, bool in_array)
{
    buf_append_byte(pointer, '/');
    if (in_array) {
        buf_append_u64(pointer, it->index);
        return;
    }
    for (size_t i = 0; i < it->key.len; i++) {
        char byte = it->key.ptr[i];
        if (byte == '~')
            buf_append_cstr(pointer, "~0");
        else if (byte == '/')
            buf_append_cstr(pointer, "~1");
        else
            buf_append_byte(pointer, byte);
    }
}

/* Depth is bounded by the longest path, which has at most POINTER_MAX bytes. Returns how many members were written. */
static size_t write_picked(struct json_writer *out, const struct json *value, const struct json *paths, struct buf *pointer)
{
    size_t written = 0, length = pointer->len;
    bool in_array = json_is(value, JSON_ARRAY);
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        append_token(pointer, &it, in_array);
        enum pick pick = buf_failed(pointer) ? PICK_NO : picked(paths, buf_view(pointer));
        if (pick != PICK_NO) {
            if (!in_array)
                json_key_view(out, it.key);
            written++;
        }
        if (pick == PICK_WHOLE) {
            json_write_value(out, it.value);
        } else if (pick == PICK_INSIDE) {
            json_is(it.value, JSON_ARRAY) ? json_array(out) : json_object(out);
            write_picked(out, it.value, paths, pointer);
            json_end(out);
        }
        if (buf_failed(pointer))
            return written;
        pointer->len = length;
    }
    return written;
}

static const struct json *native_body(struct inference *inference, const struct answer *answer, const struct engine_end *end)
{
    const struct family *family = inference->target.family;
    struct arena *arena = call_arena(inference->call);
    struct gen_result result;
    if (family->result == NULL || !native_result(answer, end, &result))
        return NULL;

    struct family_stream stream = {
        .model = &inference->target.family_model, .arena = arena, .clock = call_clock(inference->call)
    };
    struct buf body = BUF_INIT(NATIVE_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &body);
    buf_init(&stream.scratch, NATIVE_MAX);
    family->result(&stream, &result, &writer);
    const struct json *native =
        json_writer_failed(&writer) ? NULL : json_parse(arena, buf_view(&body), JSON_DEPTH_DEFAULT, NULL);
    buf_free(&stream.scratch);
    buf_free(&body);
    return native;
}

struct view response_fields(struct inference *inference, const struct answer *answer, const struct engine_end *end,
                            const struct json *paths)
{
    const struct json *native = json_size(paths) > 0 ? native_body(inference, answer, end) : NULL;
    if (native == NULL)
        return VIEW("");

    struct buf text = BUF_INIT(NATIVE_MAX), pointer = BUF_INIT(POINTER_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer);
    size_t written = write_picked(&writer, native, paths, &pointer);
    json_end(&writer);
    struct view fields = written > 0 && !json_writer_failed(&writer)
                             ? arena_copy(call_arena(inference->call), buf_view(&text))
                             : VIEW("");
    buf_free(&pointer);
    buf_free(&text);
    return fields;
}
