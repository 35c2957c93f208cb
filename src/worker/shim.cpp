// The contract is in shim.h. This is the only C++ of Craton: nothing is decided here that C could decide.
#include "worker/shim.h"

#include <chat.h>
#include <common.h>
#include <log.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace
{

void set_error(shim_error *error, const char *message)
{
    if (error != nullptr)
        snprintf(error->message, sizeof error->message, "%s", message);
}

// Runs body and turns whatever it throws into `failed`.
template <typename Result, typename Body>
Result guarded(shim_error *error, Result failed, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        set_error(error, "out of memory");
    } catch (const std::exception &e) {
        set_error(error, e.what());
    } catch (...) {
        set_error(error, "an unknown exception");
    }
    return failed;
}

std::string text_of(const char *text)
{
    return text != nullptr ? text : "";
}

char *copy_text(const std::string &text)
{
    char *copy = static_cast<char *>(malloc(text.size() + 1));
    if (copy == nullptr)
        throw std::bad_alloc();
    memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

void copy_texts(const std::vector<std::string> &texts, char ***out, size_t *count)
{
    if (texts.empty())
        return;
    *out = static_cast<char **>(calloc(texts.size(), sizeof(char *)));
    if (*out == nullptr)
        throw std::bad_alloc();
    for (const auto &text : texts)
        (*out)[(*count)++] = copy_text(text);
}

void copy_tokens(const std::vector<llama_token> &tokens, llama_token **out, size_t *count)
{
    *out = static_cast<llama_token *>(malloc((tokens.size() + 1) * sizeof(llama_token)));
    if (*out == nullptr)
        throw std::bad_alloc();
    if (!tokens.empty())
        memcpy(*out, tokens.data(), tokens.size() * sizeof(llama_token));
    *count = tokens.size();
}

void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

} // namespace

// ---- templates ----

struct shim_template {
    common_chat_templates_ptr templates;
    const llama_vocab *vocab = nullptr;
    bool tools = false;
    bool thinks = false;
    bool parallel_calls = false;
};

struct shim_format {
    common_chat_parser_params params;
};

namespace
{

common_chat_templates_inputs plain_question()
{
    common_chat_templates_inputs inputs;
    common_chat_msg message;
    message.role = "user";
    message.content = "Hello";
    inputs.messages.push_back(message);
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    return inputs;
}

} // namespace

shim_template *shim_template_create(const llama_model *model, const char *source, shim_error *error)
{
    return guarded<shim_template *>(error, nullptr, [&] {
        common_log_set_verbosity_thold(-1); // what goes wrong is in the error
        auto tmpl = std::make_unique<shim_template>();
        tmpl->vocab = llama_model_get_vocab(model);
        tmpl->templates = common_chat_templates_init(model, text_of(source));
        auto caps = common_chat_templates_get_caps(tmpl->templates.get());
        tmpl->tools = caps["supports_tools"];
        tmpl->parallel_calls = caps["supports_parallel_tool_calls"];
        auto inputs = plain_question();
        tmpl->thinks = guarded<bool>(nullptr, false, [&] {
            return common_chat_templates_apply(tmpl->templates.get(), inputs).supports_thinking;
        });
        inputs.force_pure_content = true;
        common_chat_templates_apply(tmpl->templates.get(), inputs); // a template that cannot render one question is no use
        return tmpl.release();
    });
}

void shim_template_destroy(shim_template *tmpl)
{
    delete tmpl;
}

bool shim_template_tools(const shim_template *tmpl)
{
    return tmpl->tools;
}

bool shim_template_thinks(const shim_template *tmpl)
{
    return tmpl->thinks;
}

namespace
{

common_chat_msg message_of(const shim_message &in)
{
    common_chat_msg message;
    message.role = text_of(in.role);
    message.content = text_of(in.content);
    message.reasoning_content = text_of(in.reasoning);
    message.tool_name = text_of(in.tool_name);
    message.tool_call_id = text_of(in.tool_call_id);
    for (size_t i = 0; i < in.call_count; i++)
        message.tool_calls.push_back({ text_of(in.calls[i].name), text_of(in.calls[i].arguments), text_of(in.calls[i].id) });
    return message;
}

common_chat_templates_inputs inputs_of(const shim_template *tmpl, const shim_input *in)
{
    common_chat_templates_inputs inputs;
    for (size_t i = 0; i < in->message_count; i++)
        inputs.messages.push_back(message_of(in->messages[i]));
    for (size_t i = 0; i < in->tool_count; i++)
        inputs.tools.push_back({ text_of(in->tools[i].name), text_of(in->tools[i].description), text_of(in->tools[i].schema) });
    inputs.tool_choice = in->tool_required ? COMMON_CHAT_TOOL_CHOICE_REQUIRED : COMMON_CHAT_TOOL_CHOICE_AUTO;
    inputs.parallel_tool_calls = tmpl->parallel_calls && !in->tool_required;
    inputs.json_schema = text_of(in->json_schema);
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    return inputs;
}

void add_continuation(common_chat_templates_inputs &inputs, const char *prefix)
{
    common_chat_msg message;
    message.role = "assistant";
    message.content = prefix;
    inputs.messages.push_back(message);
    inputs.add_generation_prompt = false;
    inputs.continue_final_message = COMMON_CHAT_CONTINUATION_CONTENT;
}

// A word that is one token triggers by that token, as a control token's text cannot be matched.
void copy_triggers(const shim_template *tmpl, const common_chat_params &params, shim_prompt *prompt)
{
    std::vector<std::string> patterns;
    std::vector<llama_token> tokens;
    for (const auto &trigger : params.grammar_triggers) {
        switch (trigger.type) {
        case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
            tokens.push_back(trigger.token);
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: {
            auto ids = common_tokenize(tmpl->vocab, trigger.value, false, true);
            if (ids.size() == 1)
                tokens.push_back(ids[0]);
            else
                patterns.push_back(regex_escape(trigger.value));
            break;
        }
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
            patterns.push_back(trigger.value);
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL:
            patterns.push_back("^(?:" + trigger.value + ")$");
            break;
        }
    }
    copy_texts(patterns, &prompt->trigger_patterns, &prompt->trigger_pattern_count);
    copy_tokens(tokens, &prompt->trigger_tokens, &prompt->trigger_token_count);
}

void copy_params(const shim_template *tmpl, const common_chat_params &params, bool continuation, shim_prompt *prompt)
{
    prompt->text = copy_text(params.prompt);
    if (!params.grammar.empty())
        prompt->grammar = copy_text(params.grammar);
    prompt->grammar_lazy = params.grammar_lazy;
    if (!params.grammar.empty() && !params.grammar_lazy && !params.generation_prompt.empty())
        prompt->grammar_prefix = copy_text(params.generation_prompt);
    copy_triggers(tmpl, params, prompt);
    std::vector<llama_token> kept;
    for (const auto &text : params.preserved_tokens) {
        auto ids = common_tokenize(tmpl->vocab, text, false, true);
        if (ids.size() == 1)
            kept.push_back(ids[0]);
    }
    copy_tokens(kept, &prompt->kept, &prompt->kept_count);
    copy_texts(params.additional_stops, &prompt->stops, &prompt->stop_count);
    if (!params.thinking_start_tag.empty() && !params.thinking_end_tags.empty()) {
        prompt->think_open = copy_text(params.thinking_start_tag);
        prompt->think_close = copy_text(params.thinking_end_tags.front());
    }

    auto format = std::make_unique<shim_format>();
    format->params = common_chat_parser_params(params);
    format->params.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    format->params.is_continuation = continuation;
    if (!params.parser.empty())
        format->params.parser.load(params.parser);
    prompt->format = format.release();
}

} // namespace

bool shim_render(const shim_template *tmpl, const shim_input *in, shim_prompt *prompt, shim_error *error)
{
    *prompt = shim_prompt{};
    bool fine = guarded<bool>(error, false, [&] {
        auto inputs = inputs_of(tmpl, in);
        if (in->tool_count == 0 && in->json_schema == nullptr && !tmpl->thinks) {
            inputs.force_pure_content = true; // saves the analysis of the template
            prompt->text = copy_text(common_chat_templates_apply(tmpl->templates.get(), inputs).prompt + text_of(in->prefix));
            return true;
        }
        if (in->prefix != nullptr)
            add_continuation(inputs, in->prefix);
        copy_params(tmpl, common_chat_templates_apply(tmpl->templates.get(), inputs), in->prefix != nullptr, prompt);
        return true;
    });
    if (!fine)
        shim_prompt_clear(prompt);
    return fine;
}

void shim_prompt_clear(shim_prompt *prompt)
{
    free(prompt->text);
    free(prompt->grammar);
    free(prompt->grammar_prefix);
    free(prompt->think_open);
    free(prompt->think_close);
    free_texts(prompt->trigger_patterns, prompt->trigger_pattern_count);
    free(prompt->trigger_tokens);
    free(prompt->kept);
    free_texts(prompt->stops, prompt->stop_count);
    delete prompt->format;
    *prompt = shim_prompt{};
}

// ---- reading an answer ----

struct shim_reader {
    const shim_format *format = nullptr;
    common_chat_msg message;
    std::vector<common_chat_msg_diff> diffs;
    std::vector<shim_diff> rows;
};

shim_reader *shim_reader_create(const shim_format *format)
{
    return guarded<shim_reader *>(nullptr, nullptr, [&] {
        auto reader = std::make_unique<shim_reader>();
        reader->format = format;
        if (format->params.is_continuation) // the prefix is not part of what is new
            reader->message = common_chat_parse("", true, format->params);
        return reader.release();
    });
}

void shim_reader_destroy(shim_reader *reader)
{
    delete reader;
}

bool shim_reader_read(shim_reader *reader, const char *answer, size_t len, bool partial, const shim_diff **diffs, size_t *count,
                      shim_error *error)
{
    *diffs = nullptr;
    *count = 0;
    return guarded<bool>(error, false, [&] {
        auto message = common_chat_parse(std::string(answer, len), partial, reader->format->params);
        reader->rows.clear();
        reader->diffs.clear();
        if (message.empty())
            return true;
        reader->diffs = common_chat_msg_diff::compute_diffs(reader->message, message);
        reader->message = std::move(message);
        for (const auto &diff : reader->diffs) {
            shim_diff row = {};
            row.text = diff.content_delta.empty() ? nullptr : diff.content_delta.data();
            row.text_len = diff.content_delta.size();
            row.reasoning = diff.reasoning_content_delta.empty() ? nullptr : diff.reasoning_content_delta.data();
            row.reasoning_len = diff.reasoning_content_delta.size();
            row.call = diff.tool_call_index == std::string::npos ? SIZE_MAX : diff.tool_call_index;
            row.name = diff.tool_call_delta.name.empty() ? nullptr : diff.tool_call_delta.name.c_str();
            row.arguments = diff.tool_call_delta.arguments.empty() ? nullptr : diff.tool_call_delta.arguments.c_str();
            reader->rows.push_back(row);
        }
        *diffs = reader->rows.data();
        *count = reader->rows.size();
        return true;
    });
}

// ---- calls of libllama that may throw ----

bool shim_tokenize(const llama_vocab *vocab, const char *text, size_t len, bool add_special, bool parse_special,
                   llama_token **tokens, size_t *count, shim_error *error)
{
    *tokens = nullptr;
    *count = 0;
    return guarded<bool>(error, false, [&] {
        copy_tokens(common_tokenize(vocab, std::string(text, len), add_special, parse_special), tokens, count);
        return true;
    });
}

llama_sampler *shim_grammar_create(const llama_vocab *vocab, const char *grammar, shim_error *error)
{
    llama_sampler *sampler = guarded<llama_sampler *>(
        error, nullptr, [&] { return llama_sampler_init_grammar(vocab, grammar, "root"); });
    if (sampler == nullptr)
        set_error(error, "the grammar does not compile");
    return sampler;
}

llama_sampler *shim_grammar_create_lazy(const llama_vocab *vocab, const shim_prompt *prompt, shim_error *error)
{
    llama_sampler *sampler = guarded<llama_sampler *>(error, nullptr, [&] {
        std::vector<const char *> patterns(prompt->trigger_patterns, prompt->trigger_patterns + prompt->trigger_pattern_count);
        return llama_sampler_init_grammar_lazy_patterns(vocab, prompt->grammar, "root", patterns.data(), patterns.size(),
                                                        prompt->trigger_tokens, prompt->trigger_token_count);
    });
    if (sampler == nullptr)
        set_error(error, "the grammar does not compile");
    return sampler;
}

bool shim_sampler_apply(llama_sampler *sampler, llama_token_data_array *candidates)
{
    return guarded<bool>(nullptr, false, [&] {
        llama_sampler_apply(sampler, candidates);
        return true;
    });
}

bool shim_sampler_accept(llama_sampler *sampler, llama_token token)
{
    return guarded<bool>(nullptr, false, [&] {
        llama_sampler_accept(sampler, token);
        return true;
    });
}
