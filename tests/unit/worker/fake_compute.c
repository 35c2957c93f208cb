#include "fake_compute.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROWS      512
#define FIRST_CONTEXT 512
#define FIRST_PLAIN   1000
#define PLAIN         20000

static struct fake_compute *of(struct compute *compute)
{
    return (struct fake_compute *)compute;
}

llama_token fake_next(const llama_token *tokens, size_t count)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (uint32_t)tokens[i]) * 16777619u;
    return FIRST_PLAIN + (llama_token)((hash >> 8) % PLAIN);
}

/* Rows are passes over the weights when their slots do not follow each other. */
static void count_passes(struct fake_compute *fake, const struct compute_row *rows, size_t count)
{
    size_t passes = 1, piece = 1, largest = 1;
    for (size_t i = 1; i < count; i++) {
        passes += rows[i].slot != rows[i - 1].slot && rows[i].slot != rows[i - 1].slot + 1;
        piece = rows[i].slot == rows[i - 1].slot ? piece + 1 : 1;
        largest = piece > largest ? piece : largest;
    }
    if (largest == 1) {
        fake->decode_runs++;
        fake->decode_passes += passes;
    }
    if (largest > fake->largest_piece)
        fake->largest_piece = largest;
}

static bool run(struct compute *compute, const struct compute_row *rows, size_t count)
{
    struct fake_compute *fake = of(compute);
    if (fake->fails) {
        fake->fails = false;
        return false;
    }
    count_passes(fake, rows, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = rows[i].slot;
        if (slot >= FAKE_SLOTS || rows[i].position != (int32_t)fake->counts[slot] || fake->counts[slot] == compute->context) {
            fake->broken = true;
            return false;
        }
        fake->tokens[slot][fake->counts[slot]++] = rows[i].token;
        float *logits = fake->logits + i * (size_t)compute->vocabulary;
        memset(logits, 0, (size_t)compute->vocabulary * sizeof(*logits));
        logits[fake_next(fake->tokens[slot], fake->counts[slot])] = 10;
    }
    fake->runs++;
    fake->rows += count;
    clock_manual_advance(fake->clock, (fake->run_us + fake->row_us * (int64_t)count) / 1000);
    return true;
}

static const float *logits_of(struct compute *compute, size_t row)
{
    return of(compute)->logits + row * (size_t)compute->vocabulary;
}

static void clear(struct compute *compute, uint32_t slot)
{
    of(compute)->counts[slot] = 0;
}

static bool cut(struct compute *compute, uint32_t slot, int32_t from)
{
    struct fake_compute *fake = of(compute);
    if ((size_t)from > fake->counts[slot])
        fake->broken = true;
    fake->counts[slot] = (size_t)from;
    return true;
}

static void *save(struct compute *compute, uint32_t slot, size_t *size)
{
    struct fake_compute *fake = of(compute);
    if (fake->unsaved)
        return NULL;
    fake->saves++;
    *size = fake->counts[slot] * sizeof(llama_token);
    void *state = malloc(*size + 1);
    if (state != NULL)
        memcpy(state, fake->tokens[slot], *size);
    return state;
}

static bool load(struct compute *compute, uint32_t slot, const void *state, size_t size)
{
    struct fake_compute *fake = of(compute);
    fake->loads++;
    memcpy(fake->tokens[slot], state, size);
    fake->counts[slot] = size / sizeof(llama_token);
    return true;
}

static bool grow(struct compute *compute, uint32_t context)
{
    struct fake_compute *fake = of(compute);
    if (context > compute->max_context)
        fake->broken = true;
    if (fake->full)
        return false;
    fake->growths++;
    compute->context = 2 * context < compute->max_context ? 2 * context : compute->max_context;
    return true;
}

static void set_threads(struct compute *compute, unsigned threads)
{
    (void)compute;
    (void)threads;
}

static void destroy(struct compute *compute)
{
    fake_compute_destroy(of(compute));
}

static const struct compute_ops fake_ops = { run, logits_of, clear, cut, save, grow, load, set_threads, destroy };

struct fake_compute *fake_compute_create(int32_t vocabulary, struct clock *clock)
{
    struct fake_compute *fake = calloc(1, sizeof(*fake));
    if (fake == NULL)
        return NULL;
    fake->clock = clock;
    fake->base = (struct compute){
        .ops = &fake_ops,
        .vocabulary = vocabulary,
        .slots = FAKE_SLOTS,
        .context = FIRST_CONTEXT,
        .max_context = FAKE_CONTEXT,
        .max_rows = MAX_ROWS,
        .token_bytes = sizeof(llama_token),
        .can_cut = true,
    };
    fake->logits = malloc(MAX_ROWS * (size_t)vocabulary * sizeof(float));
    if (fake->logits == NULL) {
        free(fake);
        return NULL;
    }
    return fake;
}

void fake_compute_destroy(struct fake_compute *fake)
{
    free(fake->logits);
    free(fake);
}
