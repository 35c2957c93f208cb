#include "cli/local.h"

#include "base/fs.h"
#include "store/server_lock.h"

bool local_open(struct cli *cli, struct local *out)
{
    char words[160];
    struct store_error error;
    *out = (struct local){ 0 };
    int code = fs_make_dirs(cli->places.data, 0700);
    if (code != 0) {
        cli_fail("%s: %s", cli->places.data, fs_error(code, words, sizeof(words)));
        return false;
    }
    out->seal = seal_open(cli->places.seal_key, words, sizeof(words));
    if (out->seal == NULL) {
        cli_fail("%s", words);
        return false;
    }
    out->store = store_open(cli->places.store, clock_system(), &error);
    if (out->store == NULL) {
        cli_fail("%s", error.message);
        local_close(out);
        return false;
    }
    out->iam = (struct iam_store){
        .store = out->store, .seal = out->seal, .account = view_from_cstr(config_string(cli->config, CONFIG_ACCOUNT))
    };
    enum iam_status status = iam_first_key(&out->iam, cli->arena, &out->key);
    if (status != IAM_OK) {
        cli_fail("%s", iam_status_text(status));
        local_close(out);
        return false;
    }
    return true;
}

void local_close(struct local *local)
{
    store_close(local->store);
    seal_close(local->seal);
    *local = (struct local){ 0 };
}

const char *local_endpoint(struct cli *cli)
{
    struct buf text = BUF_INIT(1024);
    const char *endpoint = NULL;
    if (server_lock_holder(cli->places.data) != 0 && fs_read_file(cli->places.endpoint, &text) == 0) {
        struct view url = view_trim(buf_view(&text));
        endpoint = url.len > 0 ? arena_cstr(cli->arena, url) : NULL;
    }
    buf_free(&text);
    return endpoint;
}
