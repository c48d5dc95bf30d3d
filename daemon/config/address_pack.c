/* address_pack.c: an address as bytes, for another process or program. */

#include "config/address.h"

#include "base/pack.h"

/* The bytes of the union are those of the kernel's own structures. */
_Static_assert(sizeof(((struct address *)0)->u) == 112,
    "a change needs another format of the bundle and of the handover");

void
address_pack(const struct address *address, struct packer *packer)
{
	pack_u32(packer, address->kind);
	pack_u32(packer, address->dual);
	pack_u32(packer, address->len);
	pack_bytes(packer, &address->u, sizeof(address->u));
}

void
address_unpack(struct address *ret, struct unpacker *unpacker)
{
	ret->kind = unpack_u32(unpacker);
	ret->dual = unpack_bool(unpacker);
	ret->len = unpack_u32(unpacker);
	unpack_bytes(unpacker, &ret->u, sizeof(ret->u));
	if (!address_valid(ret))
		unpacker->failed = true;
}
