/* s3/body.c - the payload of a request: out of its framing, verified, handed on. */
#include "s3/call.h"
#include "s3/chunked.h"

#include "base/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE_SIZE   (256u << 10)                           /* of a body file, read at once */
#define TRAILER_MAX  (16u << 10)
#define HEX_SHA256   (2 * SHA256_SIZE)
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- what the headers say ---- */

static enum s3_error read_length(struct s3_call *call)
{
    struct view text = s3_header(call, "x-amz-decoded-content-length");
    call->payload.has_length = text.ptr != NULL;
    if (text.ptr != NULL && !view_to_u64(text, &call->payload.length))
        return s3_fail(call, S3_INVALID_ARGUMENT, "x-amz-decoded-content-length must be a number of bytes.");
    return S3_OK;
}

enum s3_error s3_payload_read(struct s3_call *call)
{
    struct payload *payload = &call->payload;
    struct view form = s3_header(call, "x-amz-content-sha256");
    if (form.len == HEX_SHA256 && hex_decode(form, payload->sha256, sizeof payload->sha256)) {
        payload->form = PAYLOAD_HASHED;
        return S3_OK;
    }
    if (form.len == 0 || view_is(form, "UNSIGNED-PAYLOAD"))
        return S3_OK;
    if (view_is(form, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
        payload->form = PAYLOAD_CHUNKED;
    else if (view_is(form, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") || view_is(form, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"))
        payload->form = PAYLOAD_CHUNKED_SIGNED;
    else
        return s3_fail(call, S3_INVALID_ARGUMENT, "x-amz-content-sha256 names no form of payload that is known.");
    if (view_ends_with(form, VIEW("-TRAILER")))
        payload->trailer = view_trim(s3_header(call, "x-amz-trailer"));
    payload->signed_trailer = payload->form == PAYLOAD_CHUNKED_SIGNED && view_ends_with(form, VIEW("-TRAILER"));
    return read_length(call);
}

/* ---- chunks ---- */

struct unframing {
    struct s3_call *call;
    struct chunked chunked;
    struct object_writer *writer;                           /* where the bytes go, or */
    struct buf *memory;
    uint64_t size;

    uint8_t previous[SHA256_SIZE];                          /* the signature of what came before */
    struct view signature;                                  /* of the chunk, as it claims; lies in hex */
    char hex[HEX_SHA256];
    struct checksum hash;                                   /* of the chunk */

    struct checksum sum;                                    /* of the whole, when a trailing field shall prove it */
    enum object_checksum sum_type;
    char sum_value[64];
    size_t sum_len;
    struct buf trailer;                                     /* as it is signed */
    bool trailer_verified;
};

static bool compute_signature(const struct unframing *u, const char *kind, const char *hashes, uint8_t out[SHA256_SIZE])
{
    const struct payload *payload = &u->call->payload;
    char text[1024], previous[HEX_SHA256];
    hex_encode(u->previous, SHA256_SIZE, previous);
    int len = snprintf(text, sizeof text, "%s\n%s\n" VIEW_FMT "\n%.*s\n%s", kind, payload->timestamp, VIEW_ARG(payload->scope), HEX_SHA256,
                       previous, hashes);
    if (len < 0 || (size_t)len >= sizeof text)
        return false;
    hmac_sha256(view_of(payload->key, SHA256_SIZE), view_of(text, (size_t)len), out);
    return true;
}

/* Each signature covers the one before it, so that no chunk can be left out or moved. */
static bool verify_link(struct unframing *u, const char *kind, const char *hashes, struct view claimed)
{
    uint8_t expected[SHA256_SIZE], given[SHA256_SIZE];
    if (!hex_decode(claimed, given, sizeof given) || !compute_signature(u, kind, hashes, expected) ||
        !equal_constant_time(expected, given, SHA256_SIZE))
        return false;
    memcpy(u->previous, expected, SHA256_SIZE);
    return true;
}

static bool verify_chunk(struct unframing *u)
{
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hashes[sizeof EMPTY_SHA256 + HEX_SHA256 + 1] = EMPTY_SHA256 "\n";
    checksum_end(&u->hash, hash);
    hex_encode(hash, SHA256_SIZE, hashes + sizeof EMPTY_SHA256);
    hashes[sizeof hashes - 1] = '\0';
    return verify_link(u, "AWS4-HMAC-SHA256-PAYLOAD", hashes, u->signature);
}

static bool verify_trailer(struct unframing *u, struct view claimed)
{
    uint8_t hash[SHA256_SIZE];
    char hex[HEX_SHA256 + 1] = "";
    sha256(buf_view(&u->trailer), hash);
    hex_encode(hash, SHA256_SIZE, hex);
    u->trailer_verified = verify_link(u, "AWS4-HMAC-SHA256-TRAILER", hex, claimed);
    return u->trailer_verified;
}

static enum s3_error take_data(struct unframing *u, struct view data)
{
    const struct payload *payload = &u->call->payload;
    u->size += data.len;
    if (u->size > OBJECT_PUT_MAX)
        return S3_ENTITY_TOO_LARGE;
    if (payload->has_length && u->size > payload->length)
        return S3_INCOMPLETE_BODY;
    if (payload->verify && payload->form == PAYLOAD_CHUNKED_SIGNED)
        checksum_add(&u->hash, data);
    if (u->sum_type != OBJECT_CHECKSUM_NONE)
        checksum_add(&u->sum, data);
    if (u->memory != NULL)
        return buf_append_view(u->memory, data) ? S3_OK : S3_ENTITY_TOO_LARGE;
    return s3_error_of(object_write(u->writer, data));
}

static void begin_chunk(struct unframing *u)
{
    struct view given = view_first(u->chunked.signature, HEX_SHA256);
    if (given.len > 0)
        memcpy(u->hex, given.ptr, given.len);
    u->signature = view_of(u->hex, u->chunked.signature.len > HEX_SHA256 ? 0 : given.len);
    checksum_begin(&u->hash, CHECKSUM_SHA256);
}

static enum s3_error take_field(struct unframing *u)
{
    const struct payload *payload = &u->call->payload;
    struct view name = u->chunked.name, value = u->chunked.value;
    if (view_eq_nocase(name, VIEW("x-amz-trailer-signature")))
        return !payload->verify || verify_trailer(u, value) ? S3_OK : S3_SIGNATURE_MISMATCH;
    if (u->trailer_verified || payload->trailer.len == 0 || !view_eq_nocase(name, payload->trailer) || value.len > sizeof u->sum_value ||
        u->sum_len > 0)
        return S3_MALFORMED_TRAILER;
    buf_printf(&u->trailer, VIEW_FMT ":" VIEW_FMT "\n", VIEW_ARG(payload->trailer), VIEW_ARG(value));
    if (value.len > 0)
        memcpy(u->sum_value, value.ptr, value.len);
    u->sum_len = value.len;
    return S3_OK;
}

static enum s3_error take_event(struct unframing *u, enum chunked_event event)
{
    bool verify = u->call->payload.verify && u->call->payload.form == PAYLOAD_CHUNKED_SIGNED;
    switch (event) {
    case CHUNKED_BEGIN:
        begin_chunk(u);
        return S3_OK;
    case CHUNKED_DATA:
        return take_data(u, u->chunked.data);
    case CHUNKED_END:
        return !verify || verify_chunk(u) ? S3_OK : S3_SIGNATURE_MISMATCH;
    case CHUNKED_FIELD:
        return take_field(u);
    case CHUNKED_BAD:
        return S3_INVALID_CHUNK;
    default:
        return S3_OK;
    }
}

static enum s3_error take_piece(struct unframing *u, struct view piece)
{
    for (;;) {
        enum chunked_event event = chunked_next(&u->chunked, &piece);
        enum s3_error error = take_event(u, event);
        if (error != S3_OK || (event == CHUNKED_MORE && piece.len == 0))
            return error;
    }
}

/* The field that was to follow did, and says what came. */
static enum s3_error check_sum(struct unframing *u)
{
    uint8_t value[CHECKSUM_SIZE_MAX];
    struct buf text = BUF_INIT(128);
    if (u->call->payload.trailer.len > 0 && u->sum_len == 0)
        return S3_MALFORMED_TRAILER;
    if (u->sum_type == OBJECT_CHECKSUM_NONE)
        return S3_OK;
    checksum_end(&u->sum, value);
    base64_append(&text, view_of(value, checksum_size(u->sum.type)));
    bool same = view_eq(buf_view(&text), view_of(u->sum_value, u->sum_len));
    buf_free(&text);
    return same ? S3_OK : S3_BAD_DIGEST;
}

static enum s3_error check_end(struct unframing *u)
{
    const struct payload *payload = &u->call->payload;
    if (!chunked_done(&u->chunked) || (payload->has_length && u->size != payload->length))
        return S3_INCOMPLETE_BODY;
    if (payload->verify && payload->signed_trailer && !u->trailer_verified)
        return S3_SIGNATURE_MISMATCH;
    return check_sum(u);
}

static enum s3_error begin_unframing(struct unframing *u)
{
    static const enum checksum_type types[] = {
        [OBJECT_CRC32] = CHECKSUM_CRC32, [OBJECT_CRC32C] = CHECKSUM_CRC32C, [OBJECT_CRC64NVME] = CHECKSUM_CRC64NVME,
        [OBJECT_SHA1] = CHECKSUM_SHA1,   [OBJECT_SHA256] = CHECKSUM_SHA256,
    };
    struct view trailer = u->call->payload.trailer;
    chunked_init(&u->chunked);
    buf_init(&u->trailer, TRAILER_MAX);
    memcpy(u->previous, u->call->payload.seed, SHA256_SIZE);
    for (unsigned i = OBJECT_CRC32; trailer.len > 0 && i <= OBJECT_SHA256; i++) {
        if (view_eq_nocase(trailer, view_from_cstr(s3_checksum_header((enum object_checksum)i))))
            u->sum_type = (enum object_checksum)i;
    }
    if (u->sum_type != OBJECT_CHECKSUM_NONE)
        checksum_begin(&u->sum, types[u->sum_type]);
    else if (trailer.len > 0)
        return s3_fail(u->call, S3_NOT_IMPLEMENTED, "The trailing field " VIEW_FMT " is not implemented by this server.",
                       VIEW_ARG(trailer));
    return S3_OK;
}

/* ---- the bytes, wherever they are ---- */

static ssize_t read_piece(int fd, char *to, size_t len, uint64_t offset)
{
    ssize_t got;
    do
        got = pread(fd, to, len, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}

static enum s3_error unframe_file(struct unframing *u)
{
    const struct http_request *request = u->call->request;
    char *piece = arena_bytes(u->call->arena, PIECE_SIZE);
    enum s3_error error = piece != NULL ? S3_OK : S3_SLOW_DOWN;
    for (uint64_t at = 0; error == S3_OK && at < request->body_size;) {
        ssize_t got = read_piece(request->body_fd, piece, PIECE_SIZE, at);
        if (got <= 0)
            return S3_INTERNAL;
        error = take_piece(u, view_of(piece, (size_t)got));
        at += (uint64_t)got;
    }
    return error;
}

static enum s3_error unframe(struct s3_call *call, struct object_writer *writer, struct buf *memory)
{
    struct unframing *u = ARENA_NEW(call->arena, struct unframing);
    if (u == NULL)
        return s3_fail(call, S3_SLOW_DOWN, "%s", s3_error_text(S3_SLOW_DOWN));
    u->call = call;
    u->writer = writer;
    u->memory = memory;
    enum s3_error error = begin_unframing(u);
    if (error != S3_OK)
        return error;
    error = call->request->body_fd >= 0 ? unframe_file(u) : take_piece(u, call->request->body);
    if (error == S3_OK)
        error = check_end(u);
    buf_free(&u->trailer);
    return error == S3_OK ? S3_OK : s3_fail(call, error, "%s", s3_error_text(error));
}

/* ---- writing an object ---- */

static struct view base64_of(struct s3_call *call, const uint8_t *bytes, size_t len)
{
    struct buf text = BUF_INIT(128);
    base64_append(&text, view_of(bytes, len));
    struct view copy = arena_copy(call->arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

/* What the headers say that the bytes add up to. */
static enum s3_error expect(struct s3_call *call, struct object_writer *writer)
{
    struct view md5 = s3_header(call, "content-md5"), value, bytes;
    enum object_checksum checksum;
    enum s3_error error = s3_checksum_given(call, &checksum, &value);
    if (error != S3_OK)
        return error;
    if (md5.ptr != NULL && (!base64_decode(call->arena, md5, &bytes) || bytes.len != checksum_size(CHECKSUM_MD5)))
        return s3_fail(call, S3_INVALID_DIGEST, "%s", s3_error_text(S3_INVALID_DIGEST));
    if (md5.ptr != NULL)
        object_write_expect_md5(writer, md5);
    if (checksum != OBJECT_CHECKSUM_NONE)
        object_write_expect(writer, checksum, value);
    if (call->payload.form == PAYLOAD_HASHED)
        object_write_expect(writer, OBJECT_SHA256, base64_of(call, call->payload.sha256, SHA256_SIZE));
    return S3_OK;
}

/* Which of the sums was wrong? When the hash of the signature was the only one, it was that. */
static enum s3_error fail_write(struct s3_call *call, enum object_status status)
{
    struct view value;
    enum object_checksum checksum;
    bool hash_only = call->payload.form == PAYLOAD_HASHED && s3_header(call, "content-md5").ptr == NULL &&
                     s3_checksum_given(call, &checksum, &value) == S3_OK && checksum == OBJECT_CHECKSUM_NONE;
    if (status == OBJECT_BAD_DIGEST && hash_only)
        return s3_fail(call, S3_CONTENT_SHA256_MISMATCH, "%s", s3_error_text(S3_CONTENT_SHA256_MISMATCH));
    return s3_fail_object(call, status);
}

enum s3_error s3_payload_write(struct s3_call *call, struct object_writer *writer, struct object_info *info)
{
    const struct http_request *request = call->request;
    enum s3_error error = expect(call, writer);
    if (error == S3_OK && call->payload.form >= PAYLOAD_CHUNKED)
        error = unframe(call, writer, NULL);
    else if (error == S3_OK && request->body_fd >= 0)
        (void)object_write_fd(writer, request->body_fd, 0, request->body_size);     /* errors stick */
    else if (error == S3_OK)
        (void)object_write(writer, request->body);
    if (error != S3_OK) {
        object_write_abort(writer);
        return error;
    }
    enum object_status status = object_write_end(writer, call->arena, info);
    return status == OBJECT_OK ? S3_OK : fail_write(call, status);
}

/* ---- XML ---- */

static enum s3_error check_bytes(struct s3_call *call, struct view bytes)
{
    static const enum checksum_type types[] = {
        [OBJECT_CRC32] = CHECKSUM_CRC32, [OBJECT_CRC32C] = CHECKSUM_CRC32C, [OBJECT_CRC64NVME] = CHECKSUM_CRC64NVME,
        [OBJECT_SHA1] = CHECKSUM_SHA1,   [OBJECT_SHA256] = CHECKSUM_SHA256,
    };
    struct view md5 = s3_header(call, "content-md5"), value;
    enum object_checksum given;
    struct checksum sum;
    uint8_t out[CHECKSUM_SIZE_MAX];
    enum s3_error error = s3_checksum_given(call, &given, &value);
    if (error != S3_OK)
        return error;
    checksum_begin(&sum, CHECKSUM_MD5);
    checksum_add(&sum, bytes);
    checksum_end(&sum, out);
    if (md5.ptr != NULL && !view_eq(md5, base64_of(call, out, checksum_size(CHECKSUM_MD5))))
        return s3_fail(call, S3_BAD_DIGEST, "%s", s3_error_text(S3_BAD_DIGEST));
    if (given != OBJECT_CHECKSUM_NONE) {
        checksum_begin(&sum, types[given]);
        checksum_add(&sum, bytes);
        checksum_end(&sum, out);
        if (!view_eq(value, base64_of(call, out, checksum_size(types[given]))))
            return s3_fail(call, S3_BAD_DIGEST, "%s", s3_error_text(S3_BAD_DIGEST));
    }
    sha256(bytes, out);
    if (call->payload.form == PAYLOAD_HASHED && !equal_constant_time(out, call->payload.sha256, SHA256_SIZE))
        return s3_fail(call, S3_CONTENT_SHA256_MISMATCH, "%s", s3_error_text(S3_CONTENT_SHA256_MISMATCH));
    return S3_OK;
}

static enum s3_error read_bytes(struct s3_call *call, struct buf *out)
{
    const struct http_request *request = call->request;
    if (call->payload.form >= PAYLOAD_CHUNKED)
        return unframe(call, NULL, out);
    if (request->body_fd < 0)
        return buf_append_view(out, request->body) ? S3_OK : s3_fail(call, S3_SLOW_DOWN, "%s", s3_error_text(S3_SLOW_DOWN));
    for (uint64_t at = 0; at < request->body_size;) {
        char *room = buf_reserve(out, PIECE_SIZE);
        ssize_t got = room != NULL ? read_piece(request->body_fd, room, PIECE_SIZE, at) : -1;
        if (got <= 0)
            return s3_fail(call, S3_INTERNAL, "%s", s3_error_text(S3_INTERNAL));
        buf_commit(out, (size_t)got);
        at += (uint64_t)got;
    }
    return S3_OK;
}

enum s3_error s3_payload_xml_or_none(struct s3_call *call, const struct xml **root)
{
    struct buf bytes = BUF_INIT(XML_BODY_MAX + PIECE_SIZE);
    enum s3_error error = read_bytes(call, &bytes);
    *root = NULL;
    if (error == S3_OK)
        error = check_bytes(call, buf_view(&bytes));
    if (error == S3_OK && bytes.len > 0 && (*root = xml_parse(call->arena, buf_view(&bytes))) == NULL)
        error = s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    buf_free(&bytes);
    return error;
}

enum s3_error s3_payload_xml(struct s3_call *call, const struct xml **root)
{
    enum s3_error error = s3_payload_xml_or_none(call, root);
    return error == S3_OK && *root == NULL ? s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML)) : error;
}
