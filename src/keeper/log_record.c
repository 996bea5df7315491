#include "keeper/log_record.h"

#include "base/str.h"

#include <inttypes.h>

#define MAGIC 0x3252474cu /* "LGR2" */

/* The head as it lies in the file. */
struct head {
	uint32_t magic, len;
	uint64_t seq, pos;
	int64_t mono_ns, real_ns;
	uint32_t run, boot;
	uint8_t stream, flags;
	uint16_t more_lines;
	uint32_t sum;
};

_Static_assert(sizeof(struct head) == LOG_RECORD_HEAD, "the format has no padding");

#define SUMMED offsetof(struct head, sum)

static uint64_t mix_word(uint64_t hash, const char *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	/* Not in vectors, which cannot multiply such words at once. */
	__asm__("" : "+r"(hash));
	return hash ^ (hash >> 29);
}

/*
 * Not cryptographic: it has to notice zeroed pages and torn writes at memory speed.  Of
 * long data four words go side by side, as each would wait for the one before it.
 */
static uint64_t mix(uint64_t hash, const char *data, size_t len)
{
	uint64_t a = hash, b = hash ^ 1, c = hash ^ 2, d = hash ^ 3, word;

	if (len >= 4 * sizeof(word)) {
		for (; len >= 4 * sizeof(word); data += 4 * sizeof(word), len -= 4 * sizeof(word)) {
			a = mix_word(a, data);
			b = mix_word(b, data + sizeof(word));
			c = mix_word(c, data + 2 * sizeof(word));
			d = mix_word(d, data + 3 * sizeof(word));
		}
		hash = mix_word(hash, (const char *)&a);
		hash = mix_word(hash, (const char *)&b);
		hash = mix_word(hash, (const char *)&c);
		hash = mix_word(hash, (const char *)&d);
	}
	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word))
		hash = mix_word(hash, data);
	word = len;
	memcpy(&word, data, len);
	hash = (hash ^ word ^ ((uint64_t)len << 56)) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 32);
}

static uint32_t checksum(const struct head *head, const char *data, size_t len)
{
	return (uint32_t)mix(mix(MAGIC, (const char *)head, SUMMED), data, len);
}

uint32_t log_record_boot(const char *boot_id)
{
	return (uint32_t)mix(MAGIC, boot_id, strlen(boot_id));
}

void log_record_frame(const struct log_record *record, struct log_record_frame *ret)
{
	struct head head = {
		.magic = MAGIC,
		.len = (uint32_t)record->len,
		.seq = record->seq,
		.pos = record->pos,
		.mono_ns = record->mono_ns,
		.real_ns = record->real_ns,
		.run = record->run,
		.boot = record->boot,
		.stream = (uint8_t)record->stream,
		.flags = (uint8_t)record->flags,
		.more_lines = (uint16_t)(record->lines - 1),
	};
	uint32_t size = (uint32_t)(record->len + LOG_RECORD_OVERHEAD);

	head.sum = checksum(&head, record->data, record->len);
	memcpy(ret->head, &head, sizeof(head));
	memcpy(ret->size, &size, sizeof(size));
}

size_t log_record_encode(const struct log_record *record, char *out)
{
	struct log_record_frame frame;

	log_record_frame(record, &frame);
	memcpy(out, frame.head, sizeof(frame.head));
	memcpy(out + sizeof(frame.head), record->data, record->len);
	memcpy(out + sizeof(frame.head) + record->len, frame.size, sizeof(frame.size));
	return record->len + LOG_RECORD_OVERHEAD;
}

long log_record_decode(const char *buf, size_t len, struct log_record *ret)
{
	struct head head;
	uint32_t size;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, buf, sizeof(head));
	if (head.magic != MAGIC || head.len > LOG_RECORD_MAX_DATA || head.more_lines > head.len ||
	    head.stream < LOG_OUT || head.stream > LOG_EVENT ||
	    (head.flags & ~(LOG_CONT | LOG_PARTIAL)) != 0)
		return -1;
	if (len < head.len + LOG_RECORD_OVERHEAD)
		return 0;
	memcpy(&size, buf + sizeof(head) + head.len, sizeof(size));
	if (size != head.len + LOG_RECORD_OVERHEAD ||
	    head.sum != checksum(&head, buf + sizeof(head), head.len))
		return -1;
	*ret = (struct log_record){
		.seq = head.seq,
		.pos = head.pos,
		.mono_ns = head.mono_ns,
		.real_ns = head.real_ns,
		.run = head.run,
		.boot = head.boot,
		.stream = (enum log_stream)head.stream,
		.flags = head.flags,
		.lines = head.more_lines + 1u,
		.data = buf + sizeof(head),
		.len = head.len,
	};
	return (long)size;
}

/* The processor's vectors, by an extension that gcc and clang have. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* At most 255 vectors, so that no counter of 8 bits is full. */
static uint32_t count_in_vectors(const char *data, size_t vectors)
{
	bytes16 counts = {0};
	uint32_t lines = 0;

	for (size_t i = 0; i < vectors; i++) {
		bytes16 bytes;

		memcpy(&bytes, data + i * sizeof(bytes), sizeof(bytes));
		counts -= (bytes16)(bytes == '\n'); /* true is -1 */
	}
	for (size_t i = 0; i < sizeof(counts); i++)
		lines += counts[i];
	return lines;
}

/* A service that writes flat out waits for this. */
uint32_t log_record_count_lines(const char *data, size_t len)
{
	uint32_t lines = len == 0 || data[len - 1] != '\n';

	while (len >= sizeof(bytes16)) {
		size_t vectors = len / sizeof(bytes16);

		vectors = vectors > UINT8_MAX ? UINT8_MAX : vectors;
		lines += count_in_vectors(data, vectors);
		data += vectors * sizeof(bytes16);
		len -= vectors * sizeof(bytes16);
	}
	for (; len > 0; data++, len--)
		lines += *data == '\n';
	return lines;
}

size_t log_record_size_before(const char *buf, size_t len)
{
	uint32_t size;

	if (len < LOG_RECORD_OVERHEAD)
		return 0;
	memcpy(&size, buf + len - sizeof(size), sizeof(size));
	return size >= LOG_RECORD_OVERHEAD && size <= LOG_RECORD_MAX ? size : 0;
}

void log_segment_name(uint64_t first_seq, char out[LOG_SEGMENT_NAME_SIZE])
{
	snprintf(out, LOG_SEGMENT_NAME_SIZE, "%020" PRIu64 ".seg", first_seq);
}

bool log_segment_parse(const char *name, uint64_t *ret_first_seq)
{
	uint64_t seq = 0;

	if (strlen(name) != LOG_SEGMENT_NAME_SIZE - 1 || !str_ends(name, ".seg"))
		return false;
	for (int i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		if (__builtin_mul_overflow(seq, 10u, &seq) ||
		    __builtin_add_overflow(seq, (uint64_t)(name[i] - '0'), &seq))
			return false;
	}
	*ret_first_seq = seq;
	return true;
}
