#include "oci/registry_blobs.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fork_call.h"
#include "base/mem.h"
#include "base/userns.h"

#include <errno.h>

#define DOWNLOADS_MAX 4
#define UNPACKS_MAX   2
#define PROGRESS_MS   200
#define POLL_MS       1000

enum layer_state { LAYER_WANTED, LAYER_COMING, LAYER_HERE, LAYER_UNPACKING, LAYER_DONE };

struct layer {
	struct fetch *fetch;
	const struct descriptor *desc;
	const char *diff_id;
	enum layer_state state;

	CURL *easy;
	struct blob_writer blob;
	int64_t resumed_at; /* where the running transfer began */
	long status;        /* of the running transfer; 0 before it is known */
	bool was_resumed;   /* since the last start from zero */
	bool is_too_long;
	int attempts;
	int64_t not_before_ms;

	struct fork_call unpack;
};

struct fetch {
	struct registry_session *session;
	const struct pull_request *request;
	const struct userns_map *map;
	CURLM *multi;
	ARRAY(struct layer) layers;
	int64_t total, done, next_progress_ms;
	struct blob_stats stats;
	struct error *err;
	/* One answer to a 401 is enough for all who got it. */
	int64_t authorized_ms;
};

static void step(const struct fetch *fetch, const char *verb, const struct layer *layer)
{
	cleanup_free char *text = NULL;

	if (!fetch->request->events.step)
		return;
	text = xasprintf("%s %.19s", verb, layer->desc->digest);
	fetch->request->events.step(text, fetch->request->events.data);
}

static void report(struct fetch *fetch, bool is_last)
{
	int64_t now = clock_mono_ms();

	if (!fetch->request->events.progress || (now < fetch->next_progress_ms && !is_last))
		return;
	fetch->next_progress_ms = now + PROGRESS_MS;
	fetch->request->events.progress(fetch->done, fetch->total, fetch->request->events.data);
}

/* ---- one transfer ---- */

/* The first bytes of a body: is it what was asked for? */
static int begin_body(struct layer *layer)
{
	curl_easy_getinfo(layer->easy, CURLINFO_RESPONSE_CODE, &layer->status);
	if (layer->status != 200 || layer->resumed_at == 0)
		return 0;
	/* The server does not know ranges, and sends all of it again. */
	layer->fetch->done -= layer->blob.size;
	layer->was_resumed = false;
	return blob_writer_restart(&layer->blob, layer->fetch->err);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
	struct layer *layer = data;
	size_t len = size * count;

	if (layer->status == 0 && begin_body(layer) < 0)
		return 0;
	if (layer->status != 200 && layer->status != 206)
		return len; /* the text of an error */
	if ((int64_t)len > layer->desc->size - layer->blob.size) {
		layer->is_too_long = true;
		return 0;
	}
	if (blob_writer_add(&layer->blob, bytes, len, layer->fetch->err) < 0)
		return 0;
	layer->fetch->done += (int64_t)len;
	layer->fetch->stats.bytes += (int64_t)len;
	report(layer->fetch, false);
	return len;
}

static int start_transfer(struct fetch *fetch, struct layer *layer, struct error *err)
{
	cleanup_free char *path = xasprintf("blobs/%s", layer->desc->digest);
	cleanup_free char *range = xasprintf("%lld-", (long long)layer->blob.size);

	if (layer->blob.fd < 0 && store_begin_blob(fetch->request->store, &layer->blob, err) < 0)
		return -1;
	layer->easy = registry_session_easy(fetch->session, path);
	layer->status = 0;
	layer->resumed_at = layer->blob.size;
	if (layer->resumed_at > 0) {
		curl_easy_setopt(layer->easy, CURLOPT_RANGE, range);
		layer->was_resumed = true;
	}
	curl_easy_setopt(layer->easy, CURLOPT_PRIVATE, layer);
	curl_easy_setopt(layer->easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(layer->easy, CURLOPT_WRITEDATA, layer);
	curl_multi_add_handle(fetch->multi, layer->easy);
	layer->state = LAYER_COMING;
	layer->attempts++;
	if (layer->attempts == 1)
		step(fetch, "download", layer);
	return 0;
}

static void drop_easy(struct fetch *fetch, struct layer *layer)
{
	if (!layer->easy)
		return;
	curl_multi_remove_handle(fetch->multi, layer->easy);
	curl_easy_cleanup(layer->easy);
	layer->easy = NULL;
}

static void retry(struct layer *layer, int64_t pause_ms)
{
	layer->state = LAYER_WANTED;
	layer->not_before_ms = clock_mono_ms() + pause_ms;
}

static int finish_blob(struct fetch *fetch, struct layer *layer, struct error *err)
{
	char digest[SHA256_DIGEST_SIZE];

	if (blob_writer_commit(&layer->blob, layer->desc->digest, digest, err) == 0) {
		blob_writer_release(&layer->blob);
		layer->state = LAYER_HERE;
		return 0;
	}
	/* A server may have resumed something else; from the start it has one more chance. */
	if (err->code != EBADMSG || !layer->was_resumed)
		return error_wrap(err, "layer %s", layer->desc->digest);
	error_release(err);
	fetch->done -= layer->blob.size;
	layer->was_resumed = false;
	if (blob_writer_restart(&layer->blob, err) < 0)
		return -1;
	retry(layer, 0);
	return 0;
}

static int answer_challenge(struct fetch *fetch, struct layer *layer, struct error *err)
{
	int64_t now = clock_mono_ms();

	if (fetch->authorized_ms > 0 && layer->attempts > 2)
		return registry_status_error(fetch->session, 401, layer->desc->digest, err);
	if (now - fetch->authorized_ms > 1000 &&
	    registry_session_authorize(fetch->session, layer->easy, err) < 0)
		return -1;
	fetch->authorized_ms = now;
	retry(layer, 0);
	return 0;
}

static int transfer_ended(struct fetch *fetch, struct layer *layer, CURLcode code,
                          struct error *err)
{
	bool is_short;

	curl_easy_getinfo(layer->easy, CURLINFO_RESPONSE_CODE, &layer->status);
	if (err->code != 0)
		return -1; /* the disk failed in the middle */
	if (layer->is_too_long)
		return error_set(err, EBADMSG, "layer %s: more bytes than the manifest says",
		                 layer->desc->digest);
	if (code == CURLE_OK && layer->status == 401)
		return answer_challenge(fetch, layer, err);
	is_short = code == CURLE_OK && (layer->status == 200 || layer->status == 206) &&
	           layer->blob.size < layer->desc->size;
	if (is_short || registry_is_transient(code, layer->status)) {
		if (layer->attempts < REGISTRY_ATTEMPTS) {
			retry(layer, registry_backoff_ms(layer->attempts));
			return 0;
		}
		if (is_short)
			return error_set(err, ERR_FAILED, "layer %s: ends after %lld of %lld bytes",
			                 layer->desc->digest, (long long)layer->blob.size,
			                 (long long)layer->desc->size);
	}
	if (code != CURLE_OK)
		return registry_curl_error(fetch->session, code, layer->desc->digest, err);
	if (layer->status != 200 && layer->status != 206)
		return registry_status_error(fetch->session, layer->status, layer->desc->digest,
		                             err);
	return finish_blob(fetch, layer, err);
}

static int take_messages(struct fetch *fetch, struct error *err)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		CURLcode code = message->data.result;
		struct layer *layer;
		char *private;
		int result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		layer = (struct layer *)(void *)private;
		result = transfer_ended(fetch, layer, code, err);
		drop_easy(fetch, layer);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* ---- unpacking ---- */

static int unpack_in_child(void *data, struct error *err)
{
	const struct layer *layer = data;
	const struct fetch *fetch = layer->fetch;
	struct unpack_result ignored;
	struct unpack_request request = {
		.store = fetch->request->store,
		.map = fetch->map,
		.tee = -1,
		.expected = layer->diff_id,
		.limits = fetch->request->limits,
	};
	cleanup_close int fd =
		store_open_blob(fetch->request->store, layer->desc->digest, NULL, err);

	request.fd = fd;
	if (fd < 0 || unpack_layer(&request, &ignored, err) < 0)
		return error_wrap(err, "layer %s", layer->desc->digest);
	return 0;
}

static int start_unpack(struct fetch *fetch, struct layer *layer, struct error *err)
{
	if (store_has_layer(fetch->request->store, layer->diff_id)) {
		layer->state = LAYER_DONE;
		return 0;
	}
	if (fork_call_start(unpack_in_child, layer, &layer->unpack, err) < 0)
		return -1;
	step(fetch, "unpack", layer);
	layer->state = LAYER_UNPACKING;
	return 0;
}

/* ---- all of them ---- */

static size_t count_state(const struct fetch *fetch, enum layer_state state)
{
	size_t count = 0;

	array_foreach(layer, &fetch->layers)
		if (layer->state == state)
			count++;
	return count;
}

static int start_what_can(struct fetch *fetch, struct error *err)
{
	size_t coming = count_state(fetch, LAYER_COMING);
	size_t unpacking = count_state(fetch, LAYER_UNPACKING);
	int64_t now = clock_mono_ms();

	array_foreach(layer, &fetch->layers) {
		if (layer->state == LAYER_WANTED && coming < DOWNLOADS_MAX &&
		    now >= layer->not_before_ms) {
			if (start_transfer(fetch, layer, err) < 0)
				return -1;
			coming++;
		}
		if (layer->state == LAYER_HERE && unpacking < UNPACKS_MAX) {
			if (start_unpack(fetch, layer, err) < 0)
				return -1;
			unpacking++;
		}
	}
	return 0;
}

static int wait_for_news(struct fetch *fetch, struct error *err)
{
	struct curl_waitfd fds[UNPACKS_MAX] = {0};
	struct layer *unpacking[UNPACKS_MAX];
	unsigned count = 0;
	int64_t now = clock_mono_ms(), pause = POLL_MS;

	array_foreach(layer, &fetch->layers) {
		if (layer->state == LAYER_WANTED && layer->not_before_ms - now < pause)
			pause = layer->not_before_ms > now ? layer->not_before_ms - now : pause;
		if (layer->state != LAYER_UNPACKING || count == UNPACKS_MAX)
			continue;
		fds[count] = (struct curl_waitfd){.fd = layer->unpack.result,
		                                  .events = CURL_WAIT_POLLIN};
		unpacking[count++] = layer;
	}
	if (curl_multi_poll(fetch->multi, fds, count, (int)pause, NULL) != CURLM_OK)
		return error_set(err, ERR_FAILED, "libcurl cannot wait");
	for (unsigned i = 0; i < count; i++) {
		if (!fds[i].revents)
			continue;
		if (fork_call_wait(&unpacking[i]->unpack, err) < 0)
			return -1;
		unpacking[i]->state = LAYER_DONE;
	}
	return 0;
}

static int run(struct fetch *fetch, struct error *err)
{
	int running;

	while (count_state(fetch, LAYER_DONE) < fetch->layers.len) {
		if (start_what_can(fetch, err) < 0)
			return -1;
		if (curl_multi_perform(fetch->multi, &running) != CURLM_OK)
			return error_set(err, ERR_FAILED, "libcurl cannot go on");
		if (take_messages(fetch, err) < 0 || start_what_can(fetch, err) < 0)
			return -1;
		if (count_state(fetch, LAYER_DONE) < fetch->layers.len &&
		    wait_for_news(fetch, err) < 0)
			return -1;
	}
	report(fetch, true);
	return 0;
}

/* An image may have one layer twice; one transfer is enough, and one unpacking. */
static bool is_repeated(const struct fetch *fetch, const char *diff_id)
{
	array_foreach(layer, &fetch->layers)
		if (str_eq(layer->diff_id, diff_id))
			return true;
	return false;
}

static void add_layer(struct fetch *fetch, const struct descriptor *desc, const char *diff_id)
{
	const struct store *store = fetch->request->store;
	bool has_blob = store_has_blob(store, desc->digest);
	struct layer *layer;

	if (has_blob && store_has_layer(store, diff_id)) {
		fetch->stats.present++;
		return;
	}
	if (is_repeated(fetch, diff_id))
		return;
	layer = array_add(&fetch->layers);
	layer->desc = desc;
	layer->diff_id = diff_id;
	layer->state = has_blob ? LAYER_HERE : LAYER_WANTED;
	layer->blob = (struct blob_writer)BLOB_WRITER_INIT;
	layer->unpack = (struct fork_call)FORK_CALL_INIT;
	if (!has_blob)
		fetch->total += desc->size;
}

static void fetch_release(struct fetch *fetch)
{
	array_foreach(layer, &fetch->layers) {
		drop_easy(fetch, layer);
		fork_call_kill(&layer->unpack);
		blob_writer_release(&layer->blob);
	}
	array_release(&fetch->layers);
	curl_multi_cleanup(fetch->multi);
}

int registry_blobs_get(struct registry_session *session, const struct pull_request *request,
                       const struct userns_map *map, const struct image *image,
                       struct blob_stats *ret, struct error *err)
{
	cleanup(fetch_release) struct fetch fetch = {
		.session = session, .request = request, .map = map, .err = err};

	error_release(err); /* its code tells whether a callback failed */
	fetch.multi = curl_multi_init();
	for (size_t i = 0; i < image->layers.len; i++)
		add_layer(&fetch, &image->layers.items[i], image->diff_ids.items[i]);
	/* From here on the array does not move. */
	array_foreach(layer, &fetch.layers)
		layer->fetch = &fetch;
	if (run(&fetch, err) < 0)
		return -1;
	*ret = fetch.stats;
	return 0;
}
