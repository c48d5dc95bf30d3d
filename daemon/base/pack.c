/* pack.c: numbers and strings, in the byte order of this machine. */

#include "base/pack.h"

#include <stdlib.h>
#include <string.h>

#define NO_STRING 0xffffffffu /* instead of a length */

void
pack_bytes(struct packer *packer, const void *data, size_t len)
{
	size_t room = packer->room;
	char *larger;

	if (packer->failed || len == 0)
		return;
	if (len > room - packer->len && packer->fixed) {
		packer->failed = true;
		return;
	}
	if (len > room - packer->len) {
		while (room - packer->len < len)
			room = room == 0 ? 4096 : room * 2;
		larger = realloc(packer->data, room);
		if (larger == NULL) {
			packer->failed = true;
			return;
		}
		packer->data = larger;
		packer->room = room;
	}
	memcpy(packer->data + packer->len, data, len);
	packer->len += len;
}

void
pack_u32(struct packer *packer, uint32_t value)
{
	pack_bytes(packer, &value, sizeof(value));
}

void
pack_u64(struct packer *packer, uint64_t value)
{
	pack_bytes(packer, &value, sizeof(value));
}

void
pack_string(struct packer *packer, const char *string)
{
	size_t len;

	if (string == NULL) {
		pack_u32(packer, NO_STRING);
		return;
	}
	len = strlen(string);
	if (len >= NO_STRING) {
		packer->failed = true;
		return;
	}
	pack_u32(packer, (uint32_t)len);
	pack_bytes(packer, string, len);
}

void
pack_text(struct packer *packer, const char *text, size_t len)
{
	pack_bytes(packer, text, len);
	pack_bytes(packer, "", 1);
}

static bool
has(struct unpacker *unpacker, size_t len)
{
	if (!unpacker->failed && len <= unpacker->len - unpacker->at)
		return true;
	unpacker->failed = true;
	return false;
}

void
unpack_bytes(struct unpacker *unpacker, void *data, size_t len)
{
	memset(data, 0, len);
	if (!has(unpacker, len))
		return;
	memcpy(data, unpacker->data + unpacker->at, len);
	unpacker->at += len;
}

uint32_t
unpack_u32(struct unpacker *unpacker)
{
	uint32_t value;

	unpack_bytes(unpacker, &value, sizeof(value));
	return value;
}

uint64_t
unpack_u64(struct unpacker *unpacker)
{
	uint64_t value;

	unpack_bytes(unpacker, &value, sizeof(value));
	return value;
}

bool
unpack_bool(struct unpacker *unpacker)
{
	uint32_t value = unpack_u32(unpacker);

	if (value > 1)
		unpacker->failed = true;
	return value == 1;
}

char *
unpack_string(struct unpacker *unpacker)
{
	uint32_t len = unpack_u32(unpacker);
	char *string;

	if (unpacker->failed || len == NO_STRING || !has(unpacker, len))
		return NULL;
	if (memchr(unpacker->data + unpacker->at, '\0', len) != NULL ||
	    (string = malloc((size_t)len + 1)) == NULL) {
		unpacker->failed = true;
		return NULL;
	}
	memcpy(string, unpacker->data + unpacker->at, len);
	string[len] = '\0';
	unpacker->at += len;
	return string;
}

const char *
unpack_text(struct unpacker *unpacker)
{
	const char *text = unpacker->data + unpacker->at, *nul;
	size_t left = unpacker->len - unpacker->at;

	nul = unpacker->failed || left == 0 ? NULL : memchr(text, '\0', left);
	if (nul == NULL) {
		unpacker->failed = true;
		return "";
	}
	unpacker->at += (size_t)(nul - text) + 1;
	return text;
}

uint32_t
unpack_count(struct unpacker *unpacker, size_t item_size)
{
	uint32_t count = unpack_u32(unpacker);

	if (unpacker->failed ||
	    count > (unpacker->len - unpacker->at) / item_size) {
		unpacker->failed = true;
		return 0;
	}
	return count;
}
