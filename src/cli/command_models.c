#include "cli/client.h"
#include "cli/import.h"

#include "base/fs.h"
#include "base/json.h"
#include "models/manifest.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* ---- looking ---- */

static bool open_registry(struct cli *cli, struct models **models, struct models_snapshot **snapshot)
{
    struct models_options options;
    struct config_error error;
    struct buf problems = BUF_INIT(1 << 20);
    if (!settings_models(cli->config, &cli->places, cli->arena, &options, &error)) {
        cli_fail("%s", error.message);
        return false;
    }
    *models = models_create(&options);
    bool ok = *models != NULL && models_reload(*models, &problems);
    if (problems.len > 0)
        fprintf(stderr, VIEW_FMT "\n", VIEW_ARG(view_trim(buf_view(&problems))));
    buf_free(&problems);
    if (!ok) {
        models_destroy(*models);
        cli_fail("out of memory");
        return false;
    }
    *snapshot = models_acquire(*models);
    return true;
}

static void close_registry(struct models *models, struct models_snapshot *snapshot)
{
    models_release(snapshot);
    models_destroy(models);
}

static const char *backend_name(const struct local_model *model)
{
    return model->backend == ENGINE_REMOTE ? "remote" : model->backend == ENGINE_SCRIPTED ? "scripted" : model->shared ? "shared" : "local";
}

static int list_models(struct cli *cli)
{
    struct models *models;
    struct models_snapshot *snapshot;
    if (!open_registry(cli, &models, &snapshot))
        return EXIT_FAILED;
    const struct local_model *text = models_default(snapshot, LOCAL_TEXT), *embedding = models_default(snapshot, LOCAL_EMBEDDING);
    printf("%-32s %-10s %-9s %-8s %9s  %s\n", "NAME", "KIND", "FROM", "LAYOUT", "CONTEXT", "");
    for (size_t i = 0; i < models_count(snapshot); i++) {
        const struct local_model *model = models_at(snapshot, i);
        printf("%-32.*s %-10s %-9s %-8.*s %9lld  %s\n", VIEW_ARG(model->name), model->kind == LOCAL_TEXT ? "text" : "embedding",
               backend_name(model), VIEW_ARG(model->layout), (long long)model->context,
               model == text || model == embedding ? "default" : "");
    }
    close_registry(models, snapshot);
    return EXIT_DONE;
}

static void show_folder(struct cli *cli, const struct local_model *model)
{
    struct buf path = BUF_INIT(4096), manifest = BUF_INIT(1 << 20);
    buf_printf(&path, VIEW_FMT "/model.json", VIEW_ARG(model->folder));
    buf_append_byte(&path, '\0');
    printf("folder      " VIEW_FMT "\n", VIEW_ARG(model->folder));
    if (!buf_failed(&path) && fs_read_file(path.ptr, &manifest) == 0) {
        const struct json *loss = json_get(json_parse(cli->arena, buf_view(&manifest), JSON_DEPTH_DEFAULT, NULL), "loss");
        double divergence;
        if (json_get_double(loss, "kl", &divergence))
            printf("loss        %.4f nats a token: the layout's divergence from the source's, on a built-in text\n", divergence);
        printf("manifest    " VIEW_FMT "\n", VIEW_ARG(view_trim(buf_view(&manifest))));
    }
    buf_free(&path);
    buf_free(&manifest);
}

static int show_model(struct cli *cli, const char *name)
{
    struct models *models;
    struct models_snapshot *snapshot;
    if (!open_registry(cli, &models, &snapshot))
        return EXIT_FAILED;
    const struct local_model *model = models_find(snapshot, view_from_cstr(name));
    if (model != NULL) {
        printf("name        " VIEW_FMT "\nkind        %s\nfrom        %s\n", VIEW_ARG(model->name),
               model->kind == LOCAL_TEXT ? "text" : "embedding", backend_name(model));
        if (model->architecture.len > 0)
            printf("architecture " VIEW_FMT "\nlayout      " VIEW_FMT "\n", VIEW_ARG(model->architecture), VIEW_ARG(model->layout));
        printf("context     %lld\ndimensions  %lld\n", (long long)model->context, (long long)model->dimensions);
        if (model->url.len > 0)
            printf("server      " VIEW_FMT " (" VIEW_FMT ")\n", VIEW_ARG(model->url), VIEW_ARG(model->remote_model));
        if (model->folder.len > 0)
            show_folder(cli, model);
    }
    close_registry(models, snapshot);
    return model != NULL ? EXIT_DONE : cli_fail("there is no model %s: `craton models list` shows those there are", name);
}

/* ---- changing ---- */

static void reload_server(struct cli *cli)
{
    struct local local;
    if (local_open(cli, &local)) {
        client_reload(cli, &local);
        local_close(&local);
    }
}

struct adding {
    const char *layout;
    bool preferred, shared;                                 /* --default, --shared */
};

static int add_model(struct cli *cli, const char *name, const char *source, const struct adding *adding)
{
    const char *parent = adding->shared ? cli->places.shared_models : cli->places.models;
    const char *folder = arena_printf(cli->arena, "%s/%s", parent, name);
    if (folder == NULL)
        return cli_fail("out of memory");
    if (!model_name_valid(view_from_cstr(name)))
        return cli_usage(cli, "a model's name has 1 to 128 letters, digits, dots, dashes and underscores");
    if (fs_exists(folder))
        return cli_fail("there is a model %s already: `craton models remove %s` first", name, name);
    if (!fs_exists(source))
        return cli_fail("there is no file or folder %s", source);
    char words[128];
    int code = fs_make_dirs(parent, adding->shared ? 0755 : 0700);
    if (code != 0)
        return cli_fail("%s: %s", parent, fs_error(code, words, sizeof(words)));

    const struct import import = { .worker = cli->places.worker, .name = name, .source = source, .folder = folder,
                                   .layout = adding->layout, .preferred = adding->preferred };
    int status = import_run(&import);
    if (status == EXIT_DONE && local_endpoint(cli) != NULL)
        reload_server(cli);
    return status;
}

/* The files of one folder, then the folder. */
static bool remove_folder(struct cli *cli, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return false;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        const char *path = arena_printf(cli->arena, "%s/%s", folder, entry->d_name);
        if (path == NULL || fs_remove(path) != 0)
            break;
    }
    closedir(dir);
    return rmdir(folder) == 0;
}

static int remove_model(struct cli *cli, const char *name)
{
    const char *folder = arena_printf(cli->arena, "%s/%s", cli->places.models, name);
    const char *aside = arena_printf(cli->arena, "%s/.removed-%ld", cli->places.models, (long)getpid());
    if (folder == NULL || aside == NULL)
        return cli_fail("out of memory");
    if (!model_name_valid(view_from_cstr(name)) || !fs_exists(folder))
        return cli_fail("there is no model %s in %s: shared models and those of the configuration are removed where they are", name,
                        cli->places.models);
    if (rename(folder, aside) != 0)                         /* from here on nobody finds it, whatever happens to its files */
        return cli_fail("%s cannot be removed", folder);
    if (local_endpoint(cli) != NULL)
        reload_server(cli);
    return remove_folder(cli, aside) ? EXIT_DONE : cli_fail("%s could not be emptied", aside);
}

static int pull_model(struct cli *cli, const char *name, const char *url, const char *sum, const struct adding *adding)
{
    const char *file = arena_printf(cli->arena, "%s/pull-%ld.gguf", cli->places.spool, (long)getpid());
    if (file == NULL)
        return cli_fail("out of memory");
    char words[128];
    int code = fs_make_dirs(cli->places.spool, 0700);
    if (code != 0)
        return cli_fail("%s: %s", cli->places.spool, fs_error(code, words, sizeof(words)));
    int status = import_download(url, file, sum);
    if (status == EXIT_DONE)
        status = add_model(cli, name, file, adding);
    fs_remove(file);
    return status;
}

/* craton models list | show | add | pull | remove */
int command_models(struct cli *cli)
{
    const char *layout = cli_option(cli, "layout"), *sum = cli_option(cli, "sha256");
    bool preferred = cli_flag(cli, "default"), shared = cli_flag(cli, "shared");
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (layout != NULL && strcmp(layout, "auto") != 0 && strcmp(layout, "keep") != 0)
        return cli_usage(cli, "--layout is auto or keep");
    const struct adding adding = { .layout = layout != NULL ? layout : "auto", .preferred = preferred, .shared = shared };

    const char *action = cli->argc > 1 ? cli->argv[1] : "";
    char **words = cli->argv + 2;
    int count = cli->argc - 2;
    if (strcmp(action, "list") == 0 && count == 0)
        return list_models(cli);
    if (strcmp(action, "show") == 0 && count == 1)
        return show_model(cli, words[0]);
    if (strcmp(action, "add") == 0 && count == 2)
        return add_model(cli, words[0], words[1], &adding);
    if (strcmp(action, "remove") == 0 && count == 1)
        return remove_model(cli, words[0]);
    if (strcmp(action, "pull") == 0 && count == 2) {
        if (sum == NULL || strlen(sum) != 64)
            return cli_usage(cli, "pull needs --sha256 and the 64 digits of the file's checksum");
        return pull_model(cli, words[0], words[1], sum, &adding);
    }
    return cli_usage(cli, "say list, show, add, pull or remove, and their words");
}
