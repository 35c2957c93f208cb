/* cli/import.h - getting weights: from disk by `craton-worker --role=import`, from a server by a checked download. Both show progress. */
#ifndef CRATON_CLI_IMPORT_H
#define CRATON_CLI_IMPORT_H

#include "cli/cli.h"

struct import {
    const char *worker;                                     /* the program */
    const char *name;
    const char *source;                                     /* a GGUF file, a folder with safetensors, or e5-small-q4.bin */
    const char *folder;                                     /* where the model is made; must not exist */
    const char *layout;                                     /* "auto" or "keep" */
    bool preferred;                                         /* offer it as the default of its kind */
};

/* Runs the importer to its end. EXIT_DONE, or EXIT_FAILED after a message. */
int import_run(const struct import *import);

/* Downloads url into file and compares its SHA-256 (64 digits). EXIT_DONE, or EXIT_FAILED after a message, the file removed. */
int import_download(const char *url, const char *file, const char *sha256_hex);

#endif
