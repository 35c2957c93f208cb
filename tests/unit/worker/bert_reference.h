/* bert_reference.h - a BERT encoder written straight from its definition, in double precision and without any library: what the
 * importer and the engine are measured against. Slow, and only for English text in ASCII. */
#ifndef CRATON_UNIT_BERT_REFERENCE_H
#define CRATON_UNIT_BERT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#define BERT_TOKENS_MAX 128

struct bert;

struct bert *bert_open(const char *folder, unsigned layers, unsigned heads, unsigned hidden, unsigned inner); /* NULL: not readable */
void bert_close(struct bert *bert);
size_t bert_tokenize(const struct bert *bert, const char *text, int *ids);          /* with [CLS] and [SEP] */
bool bert_embed(const struct bert *bert, const int *ids, size_t count, float *out); /* mean of all tokens, normalised */

#endif
