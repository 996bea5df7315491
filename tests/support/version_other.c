#include "base/version.h"

/* locald-other is locald but for this: an update, as seen by its daemon and its proxy. */
const char locald_version[] = "9.9.9-other";
