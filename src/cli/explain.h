/* explain - the pages of `locald explain`, one for each code that an error can have. */
#pragma once

#include <stddef.h>

/* NULL for a code that does not exist. */
const char *explain_text(const char *id);
const char *explain_title(const char *id);
/* The n-th code, NULL after the last. */
const char *explain_id_at(size_t n);
