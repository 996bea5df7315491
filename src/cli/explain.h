/* explain - more about a diagnostic than its title: why, and what to do. */
#pragma once

/* NULL for an id that has no page; a test sees that each id of config/diag.h has one. */
const char *explain_text(const char *id);
