/* iam/seal.h - secrets that must be readable again, under AES-256-GCM.
 *
 * The key is a file of 32 random bytes, mode 0600, made at first use. A sealed secret is base64 of version, nonce, cipher text and tag; it
 * opens only with the same key and the same context (the record it belongs to), so it cannot be moved from one record to another.
 * A seal is read-only after seal_open() and may be used by several threads. Opening blocks.
 */
#ifndef CRATON_IAM_SEAL_H
#define CRATON_IAM_SEAL_H

#include "base/arena.h"
#include "base/buf.h"

struct seal;

/* Reads the key file, or makes it. NULL with the reason in error (error_size bytes): an unreadable file, or one of the wrong size or
 * with permissions for others. */
struct seal *seal_open(const char *path, char *error, size_t error_size);
void seal_close(struct seal *seal);                         /* wipes the key; NULL is fine */

bool seal_secret(const struct seal *seal, struct view secret, struct view context, struct buf *out);
/* False when the text is malformed, or was sealed with another key or for another context. */
bool seal_reveal(const struct seal *seal, struct view sealed, struct view context, struct arena *arena, struct view *out);

#endif
