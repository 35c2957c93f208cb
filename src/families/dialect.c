#include "families/dialect.h"

#include "families/chat_build.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- dialects whose turns begin with a mark ---- */

struct mark {
    struct view text;
    enum chat_role role;                                    /* of what follows */
};

struct marked {                                             /* a dialect of marks */
    const struct mark *marks;
    size_t mark_count;
    const struct view *noise;                               /* control text at the ends of a turn that says nothing */
    size_t noise_count;
    struct view closing;                                    /* noise that ends a turn of the assistant; empty: nothing does */
    bool think;                                             /* an answer may begin with <think>…</think>, which is not repeated */
};

static const struct mark human_marks[] = {
    { VIEW_INIT("\n\nHuman:"), CHAT_USER },
    { VIEW_INIT("\n\nAssistant:"), CHAT_ASSISTANT },
};
static const struct mark user_bot_marks[] = {
    { VIEW_INIT("\nUser:"), CHAT_USER },
    { VIEW_INIT("\nBot:"), CHAT_ASSISTANT },
};
static const struct mark inst_marks[] = {
    { VIEW_INIT("[INST]"), CHAT_USER },
    { VIEW_INIT("[/INST]"), CHAT_ASSISTANT },
    { VIEW_INIT("[SYSTEM_PROMPT]"), CHAT_SYSTEM },
    { VIEW_INIT("[/SYSTEM_PROMPT]"), CHAT_USER },
};
static const struct mark deepseek_marks[] = {
    { VIEW_INIT("<\uff5cUser\uff5c>"), CHAT_USER },
    { VIEW_INIT("<\uff5cAssistant\uff5c>"), CHAT_ASSISTANT },
    { VIEW_INIT("<|User|>"), CHAT_USER },
    { VIEW_INIT("<|Assistant|>"), CHAT_ASSISTANT },
};
static const struct view inst_noise[] = { VIEW_INIT("<s>"), VIEW_INIT("</s>") };
static const struct view deepseek_noise[] = {
    VIEW_INIT("<\uff5cbegin\u2581of\u2581sentence\uff5c>"),
    VIEW_INIT("<\uff5cend\u2581of\u2581sentence\uff5c>"),
    VIEW_INIT("<|begin_of_sentence|>"),
    VIEW_INIT("<|end_of_sentence|>"),
};

static const struct marked human = { human_marks, COUNT(human_marks), NULL, 0, VIEW_INIT(""), false };
static const struct marked user_bot = { user_bot_marks, COUNT(user_bot_marks), NULL, 0, VIEW_INIT(""), false };
static const struct marked inst = { inst_marks, COUNT(inst_marks), inst_noise, COUNT(inst_noise), VIEW_INIT("</s>"), false };
static const struct marked deepseek = {
    deepseek_marks, COUNT(deepseek_marks), deepseek_noise, COUNT(deepseek_noise),
    VIEW_INIT("<\uff5cend\u2581of\u2581sentence\uff5c>"), true
};

static struct view without_leading_newlines(struct view text)
{
    while (view_starts_with(text, VIEW("\n")))
        text = view_from(text, 1);
    return text;
}

static size_t first_character(struct view prompt)
{
    struct view trimmed = view_trim(prompt);
    return trimmed.len == 0 ? 0 : (size_t)(trimmed.ptr - prompt.ptr);
}

/* The mark at this place, or NULL. At the first character of the prompt a mark needs no newlines before it. */
static const struct mark *mark_at(const struct marked *dialect, struct view rest, bool first, size_t *len)
{
    for (size_t i = 0; i < dialect->mark_count; i++) {
        /* The analyzer thinks that the tables above can change. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        struct view text = dialect->marks[i].text;
        if (first && !view_starts_with(rest, text))
            text = without_leading_newlines(text);
        if (view_starts_with(rest, text)) {
            *len = text.len;
            return &dialect->marks[i];
        }
    }
    return NULL;
}

static bool has_marks(const struct marked *dialect, struct view prompt)
{
    size_t first = first_character(prompt), len;
    for (size_t i = 0; i < prompt.len; i++) {
        if (mark_at(dialect, view_from(prompt, i), i == first, &len) != NULL)
            return true;
    }
    return false;
}

/* Blanks and noise off both ends. *closed: the last of the noise says that the turn is over. */
static struct view clean(const struct marked *dialect, struct view text, bool *closed)
{
    *closed = false;
    text = view_trim(text);
    for (size_t i = 0; i < dialect->noise_count;) {
        struct view noise = dialect->noise[i++];
        bool before = view_starts_with(text, noise), after = !before && view_ends_with(text, noise);
        if (!before && !after)
            continue;
        if (after && view_eq(noise, dialect->closing))
            *closed = true;
        text = view_trim(before ? view_from(text, noise.len) : view_first(text, text.len - noise.len));
        i = 0;
    }
    return text;
}

static struct view without_thoughts(struct view text)
{
    static const struct view open = VIEW_INIT("<think>"), close = VIEW_INIT("</think>");
    if (!view_starts_with(text, open))
        return text;
    size_t end = view_find(text, close);
    return end == VIEW_NPOS ? VIEW("") : view_trim(view_from(text, end + close.len));
}

/* A user's turn; "<<SYS>> … <</SYS>>" at its beginning is the system prompt. */
static void user_turn(struct chat_build *build, struct view text)
{
    static const struct view open = VIEW_INIT("<<SYS>>"), close = VIEW_INIT("<</SYS>>");
    size_t end = view_starts_with(text, open) ? view_find(text, close) : VIEW_NPOS;
    if (end != VIEW_NPOS) {
        struct view system = view_trim(view_first(view_from(text, open.len), end - open.len));
        if (system.len > 0 && build->count == 0)
            chat_text(build, CHAT_SYSTEM, system);
        text = view_trim(view_from(text, end + close.len));
    }
    if (text.len > 0)
        chat_text(build, CHAT_USER, text);
}

static void turn(const struct marked *dialect, struct chat_build *build, enum chat_role role, struct view text, bool last,
                 struct generate_request *out)
{
    bool closed;
    text = clean(dialect, text, &closed);
    if (role == CHAT_ASSISTANT && dialect->think)
        text = without_thoughts(text);
    if (role == CHAT_ASSISTANT && last && !closed)
        out->assistant_prefix = text;
    else if (role == CHAT_USER)
        user_turn(build, text);
    else if (text.len > 0)
        chat_text(build, role, text);
}

static void split_by_marks(const struct marked *dialect, struct chat_build *build, struct view prompt, struct generate_request *out)
{
    enum chat_role role = CHAT_SYSTEM;                      /* what stands before the first mark */
    size_t begin = 0, first = first_character(prompt), len;
    for (size_t i = 0; i < prompt.len;) {
        const struct mark *mark = mark_at(dialect, view_from(prompt, i), i == first, &len);
        if (mark == NULL) {
            i++;
            continue;
        }
        turn(dialect, build, role, view_first(view_from(prompt, begin), i - begin), false, out);
        role = mark->role;
        i += len;
        begin = i;
    }
    turn(dialect, build, role, view_from(prompt, begin), true, out);
}

/* ---- dialects whose turns begin with a header that names the role ---- */

struct headers {
    struct view text_begin;                                 /* at the very beginning; empty: nothing */
    struct view open, close;                                /* around the role */
    struct view end;                                        /* of a turn */
};

static const struct headers header_dialects[] = {
    { VIEW_INIT("<|begin_of_text|>"), VIEW_INIT("<|start_header_id|>"), VIEW_INIT("<|end_header_id|>"), VIEW_INIT("<|eot_id|>") },
    { VIEW_INIT("<|begin_of_text|>"), VIEW_INIT("<|header_start|>"), VIEW_INIT("<|header_end|>"), VIEW_INIT("<|eot|>") },
    { VIEW_INIT(""), VIEW_INIT("<|im_start|>"), VIEW_INIT("\n"), VIEW_INIT("<|im_end|>") },
    { VIEW_INIT("<bos>"), VIEW_INIT("<start_of_turn>"), VIEW_INIT("\n"), VIEW_INIT("<end_of_turn>") },
};

static enum chat_role role_named(struct view name)
{
    name = view_trim(name);
    if (view_is(name, "system") || view_is(name, "developer"))
        return CHAT_SYSTEM;
    return view_is(name, "assistant") || view_is(name, "model") ? CHAT_ASSISTANT : CHAT_USER;
}

/* One turn: what stands between an opening mark and the next one, or the prompt's end. */
static void header_turn(const struct headers *dialect, struct chat_build *build, struct view text, bool last, struct generate_request *out)
{
    size_t named = view_find(text, dialect->close);
    struct view role_name = named == VIEW_NPOS ? text : view_first(text, named);
    struct view content = named == VIEW_NPOS ? VIEW("") : view_from(text, named + dialect->close.len);
    size_t end = view_find(content, dialect->end);
    enum chat_role role = role_named(role_name);
    content = view_trim(view_first(content, end));
    if (role == CHAT_ASSISTANT && last && end == VIEW_NPOS)
        out->assistant_prefix = content;
    else if (content.len > 0)
        chat_text(build, role, content);
}

static void split_by_headers(const struct headers *dialect, struct chat_build *build, struct view prompt, struct generate_request *out)
{
    size_t at = view_find(prompt, dialect->open);
    struct view before = view_trim(view_first(prompt, at));
    if (view_starts_with(before, dialect->text_begin))
        before = view_trim(view_from(before, dialect->text_begin.len));
    if (before.len > 0)
        chat_text(build, CHAT_SYSTEM, before);
    struct view rest = view_from(prompt, at + dialect->open.len);
    for (bool last = false; !last;) {
        size_t next = view_find(rest, dialect->open);
        last = next == VIEW_NPOS;
        header_turn(dialect, build, view_first(rest, next), last, out);
        if (!last)
            rest = view_from(rest, next + dialect->open.len);
    }
}

/* ---- choosing ---- */

static bool split_by_known_headers(struct chat_build *build, struct view prompt, struct generate_request *out)
{
    for (size_t i = 0; i < COUNT(header_dialects); i++) {
        if (view_find(prompt, header_dialects[i].open) != VIEW_NPOS) {
            split_by_headers(&header_dialects[i], build, prompt, out);
            return true;
        }
    }
    return false;
}

/* "User:" and "Bot:" are ordinary words too, so the prompt has to end in the open turn of the bot. */
static bool is_user_bot(struct view prompt)
{
    return view_ends_with(view_trim(prompt), VIEW("\nBot:")) && has_marks(&user_bot, prompt);
}

static const struct marked *marked_dialect(unsigned dialects, struct view prompt)
{
    if ((dialects & DIALECT_HUMAN) && has_marks(&human, prompt))
        return &human;
    if ((dialects & DIALECT_INST) && view_find(prompt, VIEW("[INST]")) != VIEW_NPOS)
        return &inst;
    if ((dialects & DIALECT_DEEPSEEK) && has_marks(&deepseek, prompt))
        return &deepseek;
    if ((dialects & DIALECT_USER_BOT) && is_user_bot(prompt))
        return &user_bot;
    return NULL;
}

void dialect_prompt(struct family_input *in, unsigned dialects, struct view prompt, struct generate_request *out)
{
    if (in->model->raw_prompt) {
        out->raw_prompt = prompt;
        out->has_raw_prompt = true;
        return;
    }
    struct chat_build build;
    chat_build_init(&build, in->arena);
    const struct marked *marked = marked_dialect(dialects, prompt);
    if (marked != NULL)
        split_by_marks(marked, &build, prompt, out);
    else if (!(dialects & DIALECT_HEADERS) || !split_by_known_headers(&build, prompt, out))
        chat_text(&build, CHAT_USER, prompt);
    if (build.count == 0)
        chat_text(&build, CHAT_USER, prompt);
    chat_build_done(&build, out, false);
}

const char *dialect_human_problem(struct view prompt)
{
    const struct mark *last = NULL;
    bool asked = false;
    size_t first = first_character(prompt), len;
    for (size_t i = 0; i < prompt.len; i++) {
        const struct mark *mark = mark_at(&human, view_from(prompt, i), i == first, &len);
        if (mark == NULL)
            continue;
        asked |= mark->role == CHAT_USER;
        last = mark;
    }
    if (!asked)
        return "Invalid prompt: prompt must start with \"\\n\\nHuman:\" turn, optionally after a system prompt";
    if (last->role != CHAT_ASSISTANT)
        return "Invalid prompt: prompt must end with \"\\n\\nAssistant:\" turn";
    return NULL;
}
