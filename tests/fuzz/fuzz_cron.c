#include "fuzz.h"

#include "base/cron.h"
#include "base/error.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup(error_release) struct error err = ERROR_INIT;
	struct cron cron;
	int64_t at = 1700000000;

	if (cron_parse(text, &cron, &err) < 0)
		return 0;
	for (int i = 0; i < 3 && at >= 0; i++) {
		int64_t next = cron_next(&cron, at);

		fuzz_check(next < 0 || next > at);
		at = next;
	}
	return 0;
}
