#include "base/version.h"

const char locald_version[] = LOCALD_VERSION;
