#include "net/eventstream.h"

#include "base/encode.h"

#define PRELUDE     12                                      /* two lengths and their checksum */
#define TRAILER     4                                       /* the checksum of all before it */
#define TYPE_STRING 7
#define NAME_LIMIT  255
#define VALUE_LIMIT 32767

/* Bytes of the value of a header by its type; -1: a 16-bit length stands before it. */
static const int value_sizes[] = { 0, 0, 1, 2, 4, 8, -1, -1, 8, 16 };

static void put_u32(char *at, uint32_t number)
{
    at[0] = (char)(number >> 24);
    at[1] = (char)(number >> 16);
    at[2] = (char)(number >> 8);
    at[3] = (char)number;
}

static uint32_t get_u32(const char *at)
{
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static char *put_header(char *at, const struct eventstream_header *header)
{
    *at++ = (char)header->name.len;
    memcpy(at, header->name.ptr, header->name.len);
    at += header->name.len;
    *at++ = TYPE_STRING;
    *at++ = (char)(header->value.len >> 8);
    *at++ = (char)header->value.len;
    if (header->value.len > 0)
        memcpy(at, header->value.ptr, header->value.len);
    return at + header->value.len;
}

bool eventstream_append(struct buf *out, const struct eventstream_header *headers, size_t header_count, struct view payload)
{
    size_t headers_len = 0;
    if (header_count > EVENTSTREAM_HEADERS_MAX || payload.len > EVENTSTREAM_FRAME_MAX)
        return false;
    for (size_t i = 0; i < header_count; i++) {
        if (headers[i].name.len == 0 || headers[i].name.len > NAME_LIMIT || headers[i].value.len > VALUE_LIMIT)
            return false;
        headers_len += headers[i].name.len + headers[i].value.len + 4;
    }
    size_t total = PRELUDE + headers_len + payload.len + TRAILER;
    char *frame = total <= EVENTSTREAM_FRAME_MAX ? buf_reserve(out, total) : NULL;
    if (frame == NULL)
        return false;
    put_u32(frame, (uint32_t)total);
    put_u32(frame + 4, (uint32_t)headers_len);
    put_u32(frame + 8, crc32_ieee(0, frame, 8));
    char *at = frame + PRELUDE;
    for (size_t i = 0; i < header_count; i++)
        at = put_header(at, &headers[i]);
    if (payload.len > 0)
        memcpy(at, payload.ptr, payload.len);
    at += payload.len;
    put_u32(at, crc32_ieee(0, frame, total - TRAILER));
    buf_commit(out, total);
    return true;
}

/* Takes one header off the front of rest. False when it does not fit. */
static bool take_header(struct view *rest, struct eventstream_frame *frame)
{
    const uint8_t *bytes = (const uint8_t *)rest->ptr;
    size_t name_len = bytes[0];
    if (name_len == 0 || rest->len < 1 + name_len + 1)
        return false;
    unsigned type = bytes[1 + name_len];
    size_t at = 1 + name_len + 1;
    if (type >= sizeof value_sizes / sizeof value_sizes[0])
        return false;
    size_t value_len = (size_t)value_sizes[type];
    if (value_sizes[type] < 0) {
        if (rest->len - at < 2)
            return false;
        value_len = (size_t)bytes[at] << 8 | bytes[at + 1];
        at += 2;
    }
    if (rest->len - at < value_len)
        return false;
    if (type == TYPE_STRING) {
        if (frame->header_count == EVENTSTREAM_HEADERS_MAX)
            return false;
        frame->headers[frame->header_count++] = (struct eventstream_header){
            view_of(rest->ptr + 1, name_len), view_of(rest->ptr + at, value_len) };
    }
    *rest = view_from(*rest, at + value_len);
    return true;
}

enum eventstream_result eventstream_read(struct view bytes, struct eventstream_frame *frame)
{
    *frame = (struct eventstream_frame){ 0 };
    if (bytes.len < PRELUDE)
        return EVENTSTREAM_INCOMPLETE;
    uint32_t total = get_u32(bytes.ptr), headers_len = get_u32(bytes.ptr + 4);
    if (get_u32(bytes.ptr + 8) != crc32_ieee(0, bytes.ptr, 8) || total > EVENTSTREAM_FRAME_MAX ||
        total < PRELUDE + TRAILER || headers_len > total - PRELUDE - TRAILER)
        return EVENTSTREAM_BROKEN;
    if (bytes.len < total)
        return EVENTSTREAM_INCOMPLETE;
    if (get_u32(bytes.ptr + total - TRAILER) != crc32_ieee(0, bytes.ptr, total - TRAILER))
        return EVENTSTREAM_BROKEN;
    struct view rest = view_of(bytes.ptr + PRELUDE, headers_len);
    while (rest.len > 0) {
        if (!take_header(&rest, frame))
            return EVENTSTREAM_BROKEN;
    }
    frame->payload = view_of(bytes.ptr + PRELUDE + headers_len, total - PRELUDE - TRAILER - headers_len);
    frame->size = total;
    return EVENTSTREAM_FRAME;
}

struct view eventstream_header(const struct eventstream_frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->header_count; i++) {
        if (view_is(frame->headers[i].name, name))
            return frame->headers[i].value;
    }
    return (struct view){ NULL, 0 };
}
