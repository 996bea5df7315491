#include "fuzz.h"

#include "base/error.h"
#include "base/mem.h"
#include "keeper/notify.h"
#include "keeper/protocol.h"

#include <string.h>

/* What was understood is said again in the same way. */
static void packet(const char *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
	struct keeper_packet first, second;

	if (keeper_packet_decode(data, size, &first, &err) < 0)
		return;
	fuzz_check(first.op != KEEPER_DATA || first.data_len <= KEEPER_DATA_MAX);
	keeper_packet_encode(&first, &text);
	fuzz_check(text.len <= KEEPER_PACKET_MAX);
	fuzz_check(keeper_packet_decode(text.buf, text.len, &second, &err) == 0);
	keeper_packet_encode(&second, &again);
	fuzz_check(text.len == again.len && memcmp(text.buf, again.buf, text.len) == 0);
}

static void spec(const char *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(keeper_spec_release) struct keeper_spec first = {0}, second = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;

	if (keeper_spec_decode(data, size, &first, &err) < 0)
		return;
	keeper_spec_encode(&first, &text);
	fuzz_check(keeper_spec_decode(text.buf, text.len, &second, &err) == 0);
	keeper_spec_encode(&second, &again);
	fuzz_check(text.len == again.len && memcmp(text.buf, again.buf, text.len) == 0);
}

static void notification(const char *data, size_t size)
{
	struct notify_message message;

	notify_parse(data, size, &message);
	fuzz_check(!message.text ||
	           (message.text >= data && message.text + message.text_len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own size, so that a byte too many is seen to be read. */
	cleanup_free char *copy = xmalloc(size > 0 ? size : 1);

	memcpy(copy, data, size);
	packet(copy, size);
	spec(copy, size);
	notification(copy, size);
	return 0;
}
