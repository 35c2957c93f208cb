/* Host, path, query, headers and ranges of a stranger: read without fault, and never taken for signed with a key that nobody has. */
#include "s3/address.h"
#include "s3/range.h"
#include "s3/sigv2.h"

#include <stdlib.h>

#define ARENA_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct view names[] = { VIEW_INIT("s3.example.com") };
    const struct s3_domains domains = { names, 1 };
    struct view rest = view_of(data, size);
    struct view host = view_split(&rest, '\n'), path = view_split(&rest, '\n'), query = view_split(&rest, '\n');
    struct view authorization = view_split(&rest, '\n'), date = view_split(&rest, '\n');
    const struct http_header headers[] = { { VIEW_INIT("authorization"), authorization }, { VIEW_INIT("x-amz-date"), date } };
    const struct http_request request = { .method = VIEW("GET"), .authority = host, .path = path, .query = query, .headers = headers,
                                          .header_count = authorization.len > 0 ? 2 : 0 };
    struct arena *arena = arena_create(ARENA_MAX);
    struct sigv2 signature;
    uint64_t offset, length;
    if (arena == NULL)
        return 0;
    const struct s3_address address = s3_address_of(&domains, &request);
    if (address.bucket.len + address.key.len > host.len + path.len)
        abort();
    (void)s3_claim_of(&domains, &request);
    if (sigv2_parse(&request, arena, &signature) && sigv2_verify(&signature, &request, address.bucket, VIEW("a secret of ours"), arena))
        abort();
    if (s3_range_parse(rest, size, &offset, &length) == RANGE_PART && (length == 0 || offset + length > size || offset + length < length))
        abort();
    const struct conditions conditions = { rest, date, date, rest };
    (void)s3_conditions_check(&conditions, VIEW("abc"), 0);
    arena_destroy(arena);
    return 0;
}
