/* s3/delete.c - DeleteObjects: up to a thousand keys in one request, each with an answer of its own. */
#include "s3/call.h"

#define KEYS_MAX 1000

static void put_failed(struct xml_writer *xml, struct view key, enum s3_error error)
{
    xml_open(xml, "Error");
    xml_put(xml, "Key", key);
    xml_put_cstr(xml, "Code", s3_error_code(error));
    xml_put_cstr(xml, "Message", s3_error_text(error));
    xml_close(xml);
}

static void delete_one(struct s3_call *call, struct xml_writer *xml, const struct xml *object, bool quiet)
{
    struct view key = xml_text(object, "Key"), version = xml_text(object, "VersionId");
    enum s3_error error = S3_NO_VERSION;
    if (version.len == 0 || view_is(version, "null"))
        error = s3_error_of(object_delete(call->s3->options.objects, call->bucket, key));
    if (error != S3_OK) {
        put_failed(xml, key, error);
    } else if (!quiet) {
        xml_open(xml, "Deleted");
        xml_put(xml, "Key", key);
        xml_close(xml);
    }
}

static enum s3_error check_request(struct s3_call *call, const struct xml *root)
{
    size_t count = 0;
    for (const struct xml *object = xml_get(root, "Object"); object != NULL; object = xml_again(object)) {
        if (xml_text(object, "Key").len == 0 || ++count > KEYS_MAX)
            return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    }
    if (!view_is(root->name, "Delete") || count == 0)
        return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    return S3_OK;
}

/* The whole request is looked at before the first key goes. */
static enum s3_error delete_objects(struct s3_call *call)
{
    struct bucket_info bucket;
    const struct xml *root;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = s3_payload_xml(call, &root);
    if (error == S3_OK)
        error = check_request(call, root);
    if (error != S3_OK)
        return error;
    bool quiet = view_is(view_trim(xml_text(root, "Quiet")), "true");
    struct xml_writer *xml = s3_reply_xml(call, "DeleteResult");
    for (const struct xml *object = xml_get(root, "Object"); object != NULL; object = xml_again(object))
        delete_one(call, xml, object, quiet);
    xml_close(xml);
    return S3_OK;
}

const struct s3_handler_row s3_delete_rows[] = {
    { "DeleteObjects", delete_objects, S3_BODY_XML },
};
const size_t s3_delete_row_count = sizeof s3_delete_rows / sizeof s3_delete_rows[0];
