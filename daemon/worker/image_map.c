/* image_map.c: the segments of a loaded image, and what contains an address. */

#include "worker/image_map.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "worker/library.h"
#include "worker/plugin.h"

struct search {
	const struct link_map *link;
	struct image_map *map;
};

static int
on_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct search *search = arg;

	(void)size;
	if (info->dlpi_addr != search->link->l_addr ||
	    strcmp(info->dlpi_name, search->link->l_name) != 0)
		return 0;
	search->map->base = info->dlpi_addr;
	search->map->segments = info->dlpi_phdr;
	search->map->count = info->dlpi_phnum;
	return 1;
}

int
image_map_find(void *handle, struct image_map *ret)
{
	struct search search = { NULL, ret };

	if (dlinfo(handle, RTLD_DI_LINKMAP, &search.link) == -1 ||
	    dl_iterate_phdr(on_image, &search) != 1)
		return -1;
	ret->handle = handle;
	return 0;
}

size_t
image_map_room(const struct image_map *map, const void *at, ElfW(Word) flags)
{
	ElfW(Addr) offset = (ElfW(Addr))at - map->base;
	const ElfW(Phdr) *segment;

	for (unsigned int i = 0; i < map->count; i++) {
		segment = &map->segments[i];
		if (segment->p_type == PT_LOAD &&
		    (segment->p_flags & flags) == flags &&
		    offset - segment->p_vaddr < segment->p_memsz)
			return segment->p_memsz - (offset - segment->p_vaddr);
	}
	return 0;
}

const void *
image_map_begin(const struct image_map *map)
{
	/* ELF has them in ascending order. */
	for (unsigned int i = 0; i < map->count; i++)
		if (map->segments[i].p_type == PT_LOAD)
			return (
			    const void *)(map->base + map->segments[i].p_vaddr);
	return NULL;
}

static const void *
own_base(void)
{
	Dl_info info;

	if (dladdr((const void *)(uintptr_t)own_base, &info) == 0)
		return NULL;
	return info.dli_fbase;
}

bool
image_map_is_call(const void *at)
{
	Dl_info info;

	return dladdr(at, &info) != 0 && info.dli_fbase == own_base() &&
	    info.dli_saddr == at && strncmp(info.dli_sname, "sl_", 3) == 0;
}

const char *
image_map_place(const void *at, char text[PLACE_TEXT_MAX])
{
	const struct plugin *plugin = plugin_at(at);
	const struct library *library = library_at(at);
	const char *slash;
	Dl_info info;

	if (dladdr(at, &info) == 0) {
		snprintf(text, PLACE_TEXT_MAX, "memory of no file");
	} else if (info.dli_fbase == own_base()) {
		snprintf(text, PLACE_TEXT_MAX, "sluiced itself");
	} else if (plugin != NULL) {
		snprintf(text, PLACE_TEXT_MAX, "the plugin \"%.100s\"",
		    plugin->descriptor.name);
	} else if (library != NULL) {
		snprintf(text, PLACE_TEXT_MAX, "%.200s", library->name);
	} else {
		slash = strrchr(info.dli_fname, '/');
		snprintf(text, PLACE_TEXT_MAX, "%s",
		    slash != NULL ? slash + 1 : info.dli_fname);
	}
	return text;
}
