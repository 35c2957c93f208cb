/* craton-worker - the dangerous and heavy half of Craton: started by `craton serve`, never by hand. */
#include "base/view.h"
#include "worker/documents_role.h"
#include "worker/import_role.h"
#include "worker/model_role.h"
#include "worker/sandbox.h"

#include <stdio.h>

struct role_row {
    const char *name;
    int (*run)(int fd);
};

static const struct role_row roles[] = {
    { "model", model_role },
    { "documents", documents_role },
};

static const struct role_row *find_role(struct view name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (view_is(name, roles[i].name))
            return &roles[i];
    }
    return NULL;
}

static int usage(void)
{
    fputs("craton-worker is started by craton serve: craton-worker --role=model|documents --socket=N\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc > 1 && view_is(view_from_cstr(argv[1]), "--role=import"))
        return import_role(argc, argv);                     /* a tool: no socket, and files to read and write */
    const struct role_row *role = NULL;
    uint64_t fd = 0;
    for (int i = 1; i < argc; i++) {
        struct view argument = view_from_cstr(argv[i]);
        if (view_starts_with(argument, VIEW("--role=")))
            role = find_role(view_from(argument, 7));
        else if (!view_starts_with(argument, VIEW("--socket=")) || !view_to_u64(view_from(argument, 9), &fd))
            return usage();
    }
    if (role == NULL || fd < 3 || fd > INT32_MAX)
        return usage();
    if (!sandbox_begin((int)fd, false)) {
        fputs("craton-worker: the system refused the sandbox\n", stderr);
        return 1;
    }
    return role->run((int)fd);
}
