/* A bucket on another S3: what is asked of it, what its answers mean, and how often it is asked again. The other S3 is a thread that
 * answers from a script. */
#include "fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#define FAR       VIEW("far-bucket")
#define SCRIPT    16
#define REQUEST   65536

/* ---- the other side ---- */

static struct {
    int fd;
    unsigned port;
    const char *answers[SCRIPT];                            /* whole, from the status line on; NULL: the connection is closed */
    char *requests[SCRIPT];
    size_t answer_count, request_count;
    pthread_t thread;
} other;

static size_t length_of(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at != NULL ? strtoul(at + 17, NULL, 10) : 0;
}

static void read_request(int fd, char *request)
{
    size_t len = 0, whole = REQUEST;
    while (len < whole) {
        ssize_t got = read(fd, request + len, REQUEST - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        request[len] = '\0';
        char *end = strstr(request, "\r\n\r\n");
        if (end != NULL)
            whole = (size_t)(end - request) + 4 + length_of(request);
    }
}

static void *answer_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < other.answer_count; i++) {
        int fd = accept(other.fd, NULL, NULL);
        if (fd < 0)
            break;
        other.requests[i] = calloc(1, REQUEST);
        read_request(fd, other.requests[i]);
        other.request_count++;
        const char *answer = other.answers[i];
        if (answer != NULL && write(fd, answer, strlen(answer)) < 0)
            print_error("the answer could not be sent\n");
        close(fd);
    }
    return NULL;
}

static int open_remote(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    char endpoint[64], error[256];
    memset(&other, 0, sizeof other);
    other.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fixture_open(state) != 0 || bind(other.fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(other.fd, 8) != 0 ||
        getsockname(other.fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    other.port = ntohs(address.sin_port);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", other.port);
    const struct object_remote remote = { .bucket = FAR, .endpoint = view_from_cstr(endpoint), .region = VIEW("eu-west-1"),
                                          .access_key = VIEW("AKIDEXAMPLE"), .secret_key = VIEW("secret"),
                                          .remote_bucket = VIEW("name-there") };
    const struct objects_options options = { .store = fixture_store, .clock = fixture_clock, .dir = fixture_objects_dir, .account = ACCOUNT,
                                             .remotes = &remote, .remote_count = 1 };
    objects_close(fixture_objects);
    fixture_objects = objects_open(&options, error, sizeof error);
    return fixture_objects == NULL;
}

static int close_remote(void **state)
{
    close(other.fd);
    for (size_t i = 0; i < SCRIPT; i++)
        free(other.requests[i]);
    return fixture_close(state);
}

static void script(const char *const *answers, size_t count)
{
    memcpy(other.answers, answers, count * sizeof *answers);
    other.answer_count = count;
    assert_int_equal(pthread_create(&other.thread, NULL, answer_all, NULL), 0);
}

#define SCRIPTED(...) script((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void all_was_asked(void)
{
    pthread_join(other.thread, NULL);
    assert_int_equal(other.request_count, other.answer_count);
}

static void assert_asked(size_t at, const char *part)
{
    if (strcasestr(other.requests[at], part) == NULL)
        fail_msg("request %zu has no \"%s\":\n%s", at, part, other.requests[at]);
}

#define OK_HEAD(length) "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " #length "\r\n"
#define LOST            "HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define ENDLESS(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

/* ---- */

static void a_put_is_one_signed_request_that_says_everything(void **state)
{
    (void)state;
    const struct object_field fields[] = { { VIEW("x-amz-meta-a"), VIEW("b") }, { VIEW("cache-control"), VIEW("no-store") } };
    const struct object_field tags[] = { { VIEW("team"), VIEW("a b") } };
    struct object_put put = { .bucket = FAR, .key = VIEW("some/key +"), .content_type = VIEW("text/plain"), .fields = fields,
                              .field_count = 2,
                              .tags = tags, .tag_count = 1, .checksum = OBJECT_CRC32, .condition = { .if_none_match = VIEW("*") } };
    struct object_info info;
    SCRIPTED(OK_HEAD(0) "ETag: \"abc\"\r\n\r\n");
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("123456789"), &info), OBJECT_OK);
    all_was_asked();
    assert_asked(0, "PUT /name-there/some/key%20%2B HTTP/1.1\r\n");
    assert_asked(0, "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250102/eu-west-1/s3/aws4_request");
    assert_asked(0, "x-amz-content-sha256: 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225\r\n");
    assert_asked(0, "content-type: text/plain\r\n");
    assert_asked(0, "x-amz-meta-a: b\r\n");
    assert_asked(0, "cache-control: no-store\r\n");
    assert_asked(0, "x-amz-tagging: team=a%20b\r\n");
    assert_asked(0, "x-amz-checksum-crc32: y/Q5Jg==\r\n");
    assert_asked(0, "content-md5: JfnnlDI7RTiF9RgfG2JNCw==\r\n");
    assert_asked(0, "if-none-match: *\r\n");
    assert_asked(0, "\r\n\r\n123456789");
    assert_view_is(info.etag, "abc");
    assert_int_equal(info.size, 9);
}

static void an_empty_object_can_be_put(void **state)
{
    (void)state;
    struct object_put put = { .bucket = FAR, .key = VIEW("k") };
    struct object_info info;
    SCRIPTED(OK_HEAD(0) "ETag: \"abc\"\r\n\r\n");
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW(""), &info), OBJECT_OK);
    all_was_asked();
    assert_asked(0, "content-length: 0\r\n");
}

static void a_head_tells_what_the_other_side_knows(void **state)
{
    (void)state;
    struct object_info info;
    SCRIPTED(OK_HEAD(1234) "ETag: \"d41d8cd98f00b204e9800998ecf8427e-3\"\r\nContent-Type: text/csv\r\nContent-Encoding: gzip\r\n"
                           "x-amz-meta-colour: red\r\nx-amz-checksum-crc32: AAAAAA==\r\nServer: x\r\nx-amz-tagging-count: 1\r\n"
                           "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
             ENDLESS("200 OK", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"));
    assert_int_equal(object_head(fixture_objects, fixture_arena, FAR, VIEW("k"), &info), OBJECT_OK);
    all_was_asked();
    assert_asked(0, "HEAD /name-there/k HTTP/1.1\r\n");
    assert_asked(1, "GET /name-there/k?tagging= HTTP/1.1\r\n");
    assert_view_is(info.bucket, "far-bucket");
    assert_int_equal(info.size, 1234);
    assert_int_equal(info.part_count, 3);
    assert_int_equal(info.modified_ms, INT64_C(784111777000));
    assert_view_is(info.content_type, "text/csv");
    assert_int_equal(info.field_count, 2);
    assert_view_is(info.fields[1].value, "red");
    assert_int_equal(info.checksum, OBJECT_CRC32);
    assert_int_equal(info.tag_count, 1);
    assert_view_is(info.tags[0].value, "b");
}

static void reading_asks_for_ranges_of_the_same_object(void **state)
{
    (void)state;
    struct object_info info;
    struct object_reader *reader;
    char bytes[16];
    size_t got;
    SCRIPTED(OK_HEAD(10) "ETag: \"abc\"\r\n\r\n",
             "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_int_equal(object_read_begin(fixture_objects, fixture_arena, FAR, VIEW("k"), &info, &reader), OBJECT_OK);
    assert_int_equal(object_reader_fd(reader), -1);
    assert_int_equal(object_read_at(reader, 0, bytes, 4, &got), OBJECT_OK);
    assert_view_eq(view_of(bytes, got), VIEW("0123"));
    assert_int_equal(object_read_at(reader, 4, bytes, sizeof bytes, &got), OBJECT_OK);
    assert_view_eq(view_of(bytes, got), VIEW("456789"));    /* out of the buffer */
    assert_int_equal(object_read_at(reader, 10, bytes, sizeof bytes, &got), OBJECT_OK);
    assert_int_equal(got, 0);
    object_read_end(reader);
    all_was_asked();
    assert_asked(1, "range: bytes=0-9\r\n");
    assert_asked(1, "if-match: \"abc\"\r\n");
}

static void an_object_that_changes_while_it_is_read_is_noticed(void **state)
{
    (void)state;
    struct object_info info;
    struct object_reader *reader;
    char bytes[16];
    size_t got;
    SCRIPTED(OK_HEAD(10) "ETag: \"abc\"\r\n\r\n", ENDLESS("412 Precondition Failed", "<Error><Code>PreconditionFailed</Code></Error>"),
             ENDLESS("206 Partial Content", "012"), ENDLESS("206 Partial Content", ""));
    assert_int_equal(object_read_begin(fixture_objects, fixture_arena, FAR, VIEW("k"), &info, &reader), OBJECT_OK);
    assert_int_equal(object_read_at(reader, 0, bytes, 4, &got), OBJECT_BUSY);
    assert_int_equal(object_read_at(reader, 0, bytes, 3, &got), OBJECT_OK);
    assert_int_equal(object_read_at(reader, 3, bytes, 3, &got), OBJECT_UNREACHABLE);    /* less than it said */
    object_read_end(reader);
    all_was_asked();
}

static const char *listed(struct object_list list, enum object_status expected)
{
    struct object_page page;
    struct buf text = BUF_INIT(1 << 20);
    list.bucket = FAR;
    assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), expected);
    for (size_t i = 0; i < page.count; i++)
        buf_printf(&text, VIEW_FMT ":%llu ", VIEW_ARG(page.objects[i].key), (unsigned long long)page.objects[i].size);
    for (size_t i = 0; i < page.prefix_count; i++)
        buf_printf(&text, VIEW_FMT "* ", VIEW_ARG(page.prefixes[i]));
    buf_printf(&text, "(" VIEW_FMT ")%s", VIEW_ARG(page.last), page.more ? " ..." : "");
    const char *out = arena_cstr(fixture_arena, buf_view(&text));
    buf_free(&text);
    return out;
}

static void a_list_is_asked_for_and_read(void **state)
{
    (void)state;
    SCRIPTED(ENDLESS("200 OK", "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                               "<IsTruncated>true</IsTruncated>"
                               "<Contents><Key>a%20b/c</Key><LastModified>2025-01-02T03:04:05.000Z</LastModified><ETag>&quot;x&quot;</ETag>"
                               "<Size>5</Size></Contents><CommonPrefixes><Prefix>z/</Prefix></CommonPrefixes></ListBucketResult>"));
    struct object_list list = { .prefix = VIEW("a/&"), .delimiter = VIEW("/"), .after = VIEW("a"), .limit = 7 };
    assert_string_equal(listed(list, OBJECT_OK), "a b/c:5 z/* (z/) ...");
    all_was_asked();
    assert_asked(0, "GET /name-there?list-type=2&encoding-type=url&max-keys=7&prefix=a%2F%26&delimiter=%2F&start-after=a HTTP/1.1\r\n");
}

static void what_is_no_list_is_an_error(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        ENDLESS("200 OK", "<html>login</html>"),
        ENDLESS("200 OK", "nonsense <<<"),
        ENDLESS("200 OK", "<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>"),
    };
    script(bodies, COUNT_OF(bodies));
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        listed((struct object_list){ .limit = 7 }, OBJECT_ERROR);
    all_was_asked();
}

static void passing_errors_are_tried_again(void **state)
{
    (void)state;
    SCRIPTED(LOST, NULL, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_int_equal(object_delete(fixture_objects, FAR, VIEW("k")), OBJECT_OK);
    all_was_asked();
    assert_asked(2, "DELETE /name-there/k HTTP/1.1\r\n");
}

static void what_lasts_is_told_after_some_tries(void **state)
{
    (void)state;
    struct object_info info;
    SCRIPTED(LOST, LOST, LOST, LOST);
    assert_int_equal(object_head(fixture_objects, fixture_arena, FAR, VIEW("k"), &info), OBJECT_BUSY);
    all_was_asked();
    close(other.fd);
    assert_int_equal(object_delete(fixture_objects, FAR, VIEW("k")), OBJECT_UNREACHABLE);
    assert_true(object_status_is_passing(OBJECT_UNREACHABLE));
}

static void errors_of_the_other_side_keep_their_meaning(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum object_status status;
    } rows[] = {
        { ENDLESS("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>"), OBJECT_NO_BUCKET },
        { ENDLESS("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"), OBJECT_NO_KEY },
        { ENDLESS("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"), OBJECT_DENIED },
        { ENDLESS("403 Forbidden", "no XML"), OBJECT_DENIED },
        { ENDLESS("412 Precondition Failed", ""), OBJECT_PRECONDITION_FAILED },
        { ENDLESS("400 Bad Request", "<Error><Code>BadDigest</Code></Error>"), OBJECT_BAD_DIGEST },
        { ENDLESS("400 Bad Request", "<Error><Code>EntityTooLarge</Code></Error>"), OBJECT_TOO_LARGE },
        { ENDLESS("301 Moved Permanently", "<Error><Code>PermanentRedirect</Code></Error>"), OBJECT_ERROR },
    };
    struct object_put put = { .bucket = FAR, .key = VIEW("k") };
    struct object_info info;
    const char *answers[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        answers[i] = rows[i].answer;
    script(answers, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("x"), &info), rows[i].status);
    all_was_asked();
}

static void uploads_are_those_of_the_other_side(void **state)
{
    (void)state;
    struct object_put put = { .bucket = FAR, .key = VIEW("big") };
    struct object_writer *writer;
    struct object_info info;
    struct view id;
    SCRIPTED(ENDLESS("200 OK", "<InitiateMultipartUploadResult><UploadId>up/1</UploadId></InitiateMultipartUploadResult>"),
             OK_HEAD(0) "ETag: \"p1\"\r\n\r\n",
             ENDLESS("200 OK", "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>"),
             OK_HEAD(5) "ETag: \"x-1\"\r\n\r\n", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
             ENDLESS("200 OK", "<Error><Code>InvalidPart</Code></Error>"));
    assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &id), OBJECT_OK);
    assert_view_is(id, "up/1");
    assert_int_equal(upload_part_begin(fixture_objects, FAR, VIEW("big"), id, 1, &writer), OBJECT_OK);
    object_write(writer, VIEW("bytes"));
    assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
    const struct object_part part = { .number = 1, .etag = info.etag };
    assert_int_equal(upload_complete(fixture_objects, fixture_arena, FAR, VIEW("big"), id, &part, 1, NULL, &info), OBJECT_OK);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.part_count, 1);
    assert_int_equal(upload_abort(fixture_objects, FAR, VIEW("big"), id), OBJECT_OK);
    assert_int_equal(upload_complete(fixture_objects, fixture_arena, FAR, VIEW("big"), id, &part, 1, NULL, &info), OBJECT_BAD_PART);
    all_was_asked();
    assert_asked(0, "POST /name-there/big?uploads= HTTP/1.1\r\n");
    assert_asked(1, "PUT /name-there/big?partNumber=1&uploadId=up%2F1 HTTP/1.1\r\n");
    assert_asked(1, "\r\n\r\nbytes");
    assert_asked(2, "POST /name-there/big?uploadId=up%2F1 HTTP/1.1\r\n");
    assert_asked(2, "<PartNumber>1</PartNumber>");
    assert_asked(4, "DELETE /name-there/big?uploadId=up%2F1 HTTP/1.1\r\n");
}

static void a_remote_bucket_is_listed_and_cannot_be_deleted_here(void **state)
{
    (void)state;
    struct bucket_info *buckets, info;
    size_t count;
    assert_int_equal(bucket_get(fixture_objects, fixture_arena, FAR, &info), OBJECT_OK);
    assert_int_equal(info.place, BUCKET_REMOTE);
    assert_int_equal(bucket_list(fixture_objects, fixture_arena, ACCOUNT, &buckets, &count), OBJECT_OK);
    assert_int_equal(count, 2);
    assert_view_is(buckets[1].name, "far-bucket");
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, FAR), OBJECT_BUCKET_OWNED);
    assert_int_equal(bucket_create(fixture_objects, VIEW("2"), REGION, FAR), OBJECT_BUCKET_TAKEN);
    assert_int_equal(bucket_delete(fixture_objects, FAR), OBJECT_DENIED);
}

#define REMOTE_TEST(name) cmocka_unit_test_setup_teardown(name, open_remote, close_remote)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REMOTE_TEST(a_put_is_one_signed_request_that_says_everything),
        REMOTE_TEST(an_empty_object_can_be_put),
        REMOTE_TEST(a_head_tells_what_the_other_side_knows),
        REMOTE_TEST(reading_asks_for_ranges_of_the_same_object),
        REMOTE_TEST(an_object_that_changes_while_it_is_read_is_noticed),
        REMOTE_TEST(a_list_is_asked_for_and_read),
        REMOTE_TEST(what_is_no_list_is_an_error),
        REMOTE_TEST(passing_errors_are_tried_again),
        REMOTE_TEST(what_lasts_is_told_after_some_tries),
        REMOTE_TEST(errors_of_the_other_side_keep_their_meaning),
        REMOTE_TEST(uploads_are_those_of_the_other_side),
        REMOTE_TEST(a_remote_bucket_is_listed_and_cannot_be_deleted_here),
    };
    return cmocka_run_group_tests_name("objects_remote", tests, NULL, NULL);
}
