#include "api/version.h"

const char *locald_version(void)
{
	return LOCALD_VERSION;
}
