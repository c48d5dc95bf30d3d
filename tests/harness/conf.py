"""Configuration, in libconfig's syntax."""


class Raw(str):
    """Configuration text that is written as it is."""


def setting(value):
    if isinstance(value, Raw):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d%s" % (value, "L" if abs(value) >= 1 << 31 else "")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, dict):
        return "{ %s }" % " ".join(
            "%s = %s;" % (name, setting(v)) for name, v in value.items())
    return "( %s )" % ", ".join(setting(v) for v in value)


def listener(name, plugin_path, listen="127.0.0.1:0", **settings):
    return dict({"name": name, "listen": listen, "plugin": plugin_path},
                **settings)


def connector(name, plugin_path, connect, **settings):
    return dict({"name": name, "connect": connect, "plugin": plugin_path},
                **settings)
