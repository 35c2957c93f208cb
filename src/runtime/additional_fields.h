/* runtime/additional_fields.h - additionalModelRequestFields of Converse: the knobs that Converse has no member for.
 *
 * Real models take whatever their native body takes. Here each known field has an effect or is harmless; an unknown one is refused
 * by name, as the native body would.
 */
#ifndef CRATON_RUNTIME_ADDITIONAL_FIELDS_H
#define CRATON_RUNTIME_ADDITIONAL_FIELDS_H

#include "runtime/converse_content.h"

bool additional_fields(struct converse_parser *parser);

#endif
