#include "models/catalog.h"

#include "aws/arn.h"

static bool is_digit(struct view id)
{
    return id.len > 0 && id.ptr[0] >= '0' && id.ptr[0] <= '9';
}

/* Takes what one character of a pattern stands for off the id. */
static bool take(char wanted, struct view *id)
{
    if (wanted != '#') {
        bool same = id->len > 0 && id->ptr[0] == wanted;
        *id = same ? view_from(*id, 1) : *id;
        return same;
    }
    bool digits = is_digit(*id);
    while (is_digit(*id))
        *id = view_from(*id, 1);
    return digits;
}

/* Only the last star met is ever tried again: what stood before it has been found as early as possible. */
static bool fits(struct view pattern, struct view id)
{
    struct view star = { NULL, 0 }, star_id = id;
    while (pattern.len > 0 || id.len > 0) {
        if (pattern.len > 0 && pattern.ptr[0] == '*') {
            pattern = star = view_from(pattern, 1);
            star_id = id;
        } else if (pattern.len > 0 && take(pattern.ptr[0], &id)) {
            pattern = view_from(pattern, 1);
        } else {
            if (star.ptr == NULL || star_id.len == 0)
                return false;
            id = star_id = view_from(star_id, 1);
            pattern = star;
        }
    }
    return true;
}

bool catalog_pattern_fits(struct view pattern, struct view id)
{
    return id.len <= CATALOG_MAX_ID && fits(pattern, id);
}

static const struct catalog_entry *find_exact(struct view id)
{
    for (size_t i = 0; i < catalog_entry_count; i++) {
        if (!catalog_entries[i].pattern && view_eq(catalog_entries[i].id, id))
            return &catalog_entries[i];
    }
    return NULL;
}

/* "anthropic.claude-v2:1:18k", "cohere.command-text-v14:7:4k": version and context size after the id, in small parts. */
static struct view without_variant(struct view id)
{
    size_t colon = id.len;
    while (colon > 0 && id.ptr[colon - 1] != ':')
        colon--;
    return colon > 1 && id.len - colon <= 8 && colon < id.len ? view_first(id, colon - 1) : view_first(id, 0);
}

const struct catalog_entry *catalog_find(struct view id)
{
    if (id.len > CATALOG_MAX_ID)
        return NULL;
    for (struct view shorter = id; shorter.len > 0; shorter = without_variant(shorter)) {
        const struct catalog_entry *entry = find_exact(shorter);
        if (entry != NULL)
            return entry;
    }
    for (size_t i = 0; i < catalog_entry_count; i++) {
        if (catalog_entries[i].pattern && fits(catalog_entries[i].id, id))
            return &catalog_entries[i];
    }
    return NULL;
}

/* ---- forms of an id ---- */

/* The prefixes of system-defined inference profiles. */
static const struct view prefixes[] = {
    VIEW_INIT("us."), VIEW_INIT("us-gov."), VIEW_INIT("eu."), VIEW_INIT("apac."), VIEW_INIT("global."), VIEW_INIT("jp."),
    VIEW_INIT("au."), VIEW_INIT("ca."),     VIEW_INIT("sa."), VIEW_INIT("me."),   VIEW_INIT("af."),
};

static struct model_id plain_or_profile(struct view text)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct view rest = view_from(text, prefixes[i].len);
        if (view_starts_with(text, prefixes[i]) && view_find_byte(rest, '.') != VIEW_NPOS)
            return (struct model_id){ .form = MODEL_ID_PROFILE, .id = rest, .profile = text };
    }
    return (struct model_id){ .form = text.len > 0 ? MODEL_ID_PLAIN : MODEL_ID_MALFORMED, .id = text };
}

/* Types of ARN that name something somebody made, or that Amazon offers as a whole. */
static bool is_resource_type(struct view type)
{
    static const struct view types[] = {
        VIEW_INIT("custom-model"),   VIEW_INIT("custom-model-deployment"),       VIEW_INIT("imported-model"),
        VIEW_INIT("provisioned-model"), VIEW_INIT("application-inference-profile"), VIEW_INIT("prompt-router"),
        VIEW_INIT("default-prompt-router"), VIEW_INIT("prompt"),
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (view_eq(type, types[i]))
            return true;
    }
    return false;
}

struct model_id model_id_parse(struct view text)
{
    const struct model_id malformed = { .form = MODEL_ID_MALFORMED, .id = text };
    struct arn arn;
    if (!view_starts_with(text, VIEW("arn:")))
        return plain_or_profile(text);
    if (!arn_parse(text, &arn) || arn.id.len == 0)
        return malformed;
    if (view_is(arn.service, "sagemaker") && view_is(arn.type, "endpoint"))
        return (struct model_id){ .form = MODEL_ID_RESOURCE, .id = arn.id, .resource_type = arn.type };
    if (!view_is(arn.service, "bedrock"))
        return malformed;
    if (view_is(arn.type, "foundation-model"))
        return arn.account.len == 0 ? (struct model_id){ .form = MODEL_ID_PLAIN, .id = arn.id } : malformed;
    if (view_is(arn.type, "inference-profile")) {
        struct model_id profile = plain_or_profile(arn.id);
        return profile.form == MODEL_ID_PROFILE ? profile : malformed;
    }
    return is_resource_type(arn.type) ? (struct model_id){ .form = MODEL_ID_RESOURCE, .id = arn.id, .resource_type = arn.type }
                                      : malformed;
}
