/* base/config_tree.h - what config.c and config_tree.c share. Private to base/. */
#ifndef CRATON_BASE_CONFIG_TREE_H
#define CRATON_BASE_CONFIG_TREE_H

#include "base/config.h"

bool config_parse_duration(struct view text, int64_t *out_ms);

/* Fills error with "name:line: …", or "name: …" when line is 0. */
void config_fail(struct config_error *error, const char *name, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
