/* worker/safetensors.h - the safetensors format: u64 length of a JSON header, the header, then the tensors' bytes.
 *
 * Foreign bytes: every offset, shape and type is checked against the file before it is handed out. Names and data are views into
 * the file, which must outlive the tensors. Pure; one thread at a time per arena.
 */
#ifndef CRATON_WORKER_SAFETENSORS_H
#define CRATON_WORKER_SAFETENSORS_H

#include "base/json.h"

#define SAFETENSORS_HEADER_MAX (64u << 20)
#define SAFETENSORS_DIMS       4

enum safetensors_type { ST_F32,
                        ST_F16,
                        ST_BF16,
                        ST_OTHER }; /* other: integers, eight bits …: nothing here computes with them */

struct safetensor {
    struct view name;
    enum safetensors_type type;
    unsigned dims;                    /* 0 to SAFETENSORS_DIMS */
    uint64_t shape[SAFETENSORS_DIMS]; /* outermost first; 1 beyond dims */
    struct view data;                 /* exactly as many bytes as shape and type say */
};

struct safetensors {
    struct safetensor *list;
    size_t count;
};

/* False: *problem says why (static text). Tensors are added behind those that are there already, for models in several files. */
bool safetensors_parse(struct arena *arena, struct view file, struct safetensors *out, const char **problem);
const struct safetensor *safetensors_find(const struct safetensors *all, struct view name); /* NULL when absent */

#endif
