/* fuzz_config.c - no YAML crashes the settings, and every refusal says why. */
#include "base/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = config_create();
    struct config_error error = { "" };
    if (config == NULL)
        abort();
    if (!config_load_text(config, view_of(data, size), "fuzz.yaml", &error) && error.message[0] == '\0')
        abort();
    config_destroy(config);
    return 0;
}
