#include "fuzz.h"

#include "service/log_level.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum log_level level = log_level_of((const char *)data, size);

	fuzz_check(level <= LOG_LEVEL_FATAL);
	return 0;
}
