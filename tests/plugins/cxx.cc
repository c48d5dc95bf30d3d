// cxx.cc: a plugin in C++17, with objects, exceptions and a lambda.

#include <sluice.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

namespace {

struct Talker {
	std::string name = "cxx";
	unsigned words = 0;
};

int
on_open(struct sl_conn *c)
{
	sl_set_data(c, new (std::nothrow) Talker);
	return sl_data(c) != nullptr ? 0 : -1;
}

ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	auto *talker = static_cast<Talker *>(sl_data(c));
	std::string text(static_cast<const char *>(buf), len);

	try {
		talker->words++;
		std::reverse(text.begin(), text.end());
		if (text.empty())
			throw std::runtime_error("empty");
		text += "\n";
	} catch (const std::exception &error) {
		text = error.what();
	}
	sl_send(c, text.data(), text.size());
	return static_cast<ssize_t>(len);
}

void
on_close(struct sl_conn *c, const struct sl_error *)
{
	delete static_cast<Talker *>(sl_data(c));
}

} // namespace

SL_PLUGIN(.name = "cxx", .version = "1.0", .summary = "reverses",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.open = on_open, .data = on_data, .close = on_close));
