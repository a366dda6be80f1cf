"""What is known about functions and methods by name.

Names are a last resort, for objects whose class is not known. Where the class
is known and is the user's, its source is followed instead.
"""

from __future__ import annotations

from typing import Final

MUTATORS: Final = frozenset(
    """
    append extend insert pop popitem remove clear sort reverse update setdefault add discard
    difference_update intersection_update symmetric_difference_update appendleft extendleft popleft
    rotate write writelines put put_nowait push send feed fill resize itemset setflags partition
    byteswap subtract move_to_end truncate seek release acquire set_index_inplace drop_inplace
    add_node add_edge add_nodes_from add_edges_from remove_node remove_edge
    __setitem__ __delitem__ __setattr__ __delattr__ __iadd__ __ior__ __iand__ __isub__ __ixor__
    __imul__ __ifloordiv__ __itruediv__ __imod__ __ipow__ __ilshift__ __irshift__ __imatmul__
    __init__ __setstate__ set_attribute setattr __next__ __anext__ asend throw athrow get_nowait
    task_done
    """.split()
)
"""Methods that change their receiver."""

ALIASING: Final = frozenset(
    """
    get pop popitem popleft setdefault __getitem__ __iter__ __next__ __enter__ __aenter__
    values items copy __copy__ __reversed__ next most_common elements
    iloc loc at iat view reshape ravel transpose swapaxes squeeze flat
    """.split()
)
"""Methods whose result may share objects with their receiver."""

HARMLESS: Final = frozenset(
    """
    get keys values items copy __getitem__ __contains__ __len__ __iter__ __eq__ __hash__
    __repr__ __str__ __copy__ __deepcopy__ __bool__ __reversed__ index count split rsplit
    splitlines join lower upper strip lstrip rstrip title capitalize casefold swapcase format
    format_map startswith endswith replace find rfind rindex partition rpartition encode decode
    zfill ljust rjust center expandtabs translate maketrans removeprefix removesuffix isdigit
    isalpha isalnum isspace isupper islower istitle isnumeric isdecimal isidentifier
    isprintable isascii hex bit_length conjugate as_integer_ratio is_integer to_bytes
    from_bytes isdisjoint issubset issuperset union intersection difference
    symmetric_difference most_common elements total fromkeys model_dump model_dump_json
    model_copy json dict schema_json model_json_schema to_dict to_json as_dict asdict dumps
    pretty_repr pretty_print get_text isoformat strftime timestamp date time weekday isoweekday
    timetuple utctimetuple astimezone total_seconds toordinal ctime utcoffset fullmatch findall
    finditer invoke ainvoke batch abatch stream astream astream_events get_num_tokens
    get_num_tokens_from_messages with_structured_output bind_tools with_config with_retry
    with_fallbacks embed_query embed_documents aembed_query aembed_documents similarity_search
    asimilarity_search get_relevant_documents aget_relevant_documents debug info warning error
    exception critical exists is_file is_dir read_text read_bytes as_posix joinpath with_suffix
    with_name relative_to stat mean std var min max sum prod argmin argmax argsort tolist
    tobytes astype all any groupby isna notna isnull to_list to_numpy to_csv to_string unique
    nunique value_counts nodes edges has_node has_edge degree tool_calls is_set hexdigest
    digest numpy cpu detach
    """.split()
)
"""Methods assumed to leave their receiver as it was."""

LOOKING: Final = frozenset(
    "qsize empty full tell fileno readable writable seekable isatty done cancelled".split()
)
"""Methods of queues, files and coroutines that take nothing out of them."""

FRESH: Final = frozenset(
    """
    split rsplit splitlines join lower upper strip lstrip rstrip title capitalize casefold swapcase
    format format_map startswith endswith replace find rfind rindex partition rpartition encode
    decode zfill ljust rjust center expandtabs translate removeprefix removesuffix
    isdigit isalpha isalnum isspace isupper islower istitle isnumeric isdecimal isidentifier
    isprintable isascii hex bit_length as_integer_ratio is_integer to_bytes index count keys
    __len__ __contains__ __eq__ __hash__ __repr__ __str__ __bool__ isdisjoint issubset issuperset
    model_dump_json json dumps model_json_schema isoformat strftime timestamp weekday total_seconds
    mean std var argmin argmax tolist tobytes hexdigest digest exists is_file is_dir read_text
    pretty_repr get_num_tokens debug info warning error exception critical log
    """.split()
)
"""Harmless methods whose result is fresh plain data."""

NO_RESULT = frozenset(
    "append extend insert remove clear sort reverse update add discard difference_update "
    "intersection_update symmetric_difference_update appendleft extendleft rotate".split()
)
"""Methods that return nothing."""


ADDING: Final = frozenset("append extend appendleft extendleft clear".split())
"""Mutators that do not look at what is there."""

CONTAINER_ONLY: Final = frozenset(
    """
    append extend insert pop popitem remove clear sort reverse update setdefault discard
    appendleft extendleft popleft rotate
    """.split()
)
"""Mutators taken to be those of a list, dict or deque."""

COPIES: Final = frozenset(
    "copy __copy__ model_copy _replace union intersection difference symmetric_difference".split()
)
"""Methods that make a new container of the same elements."""

SHARING: Final = frozenset(
    """
    choice choices sample nlargest nsmallest heappop heappushpop heapreplace merge
    trim_messages filter_messages convert_to_messages add_messages nullcontext closing aclosing
    """.split()
)
"""Library functions whose result holds objects of their arguments."""

BUILTIN: Final = frozenset(
    name for cls in (str, bytes, list, tuple, dict, set, int, float) for name in dir(cls)
)
"""Methods of builtin types."""

ARGUMENT_MUTATORS: Final = {
    ("heapq", "heappush"): (0,),
    ("heapq", "heappop"): (0,),
    ("heapq", "heapify"): (0,),
    ("heapq", "heappushpop"): (0,),
    ("heapq", "heapreplace"): (0,),
    ("heapq", "_heappop_max"): (0,),
    ("heapq", "_heapify_max"): (0,),
    ("heapq", "_heapreplace_max"): (0,),
    ("random", "shuffle"): (0, 1),
    ("bisect", "insort"): (0,),
    ("bisect", "insort_left"): (0,),
    ("bisect", "insort_right"): (0,),
    ("operator", "setitem"): (0,),
    ("operator", "delitem"): (0,),
    ("operator", "iadd"): (0,),
    ("operator", "iand"): (0,),
    ("operator", "iconcat"): (0,),
    ("operator", "ifloordiv"): (0,),
    ("operator", "ilshift"): (0,),
    ("operator", "imod"): (0,),
    ("operator", "imul"): (0,),
    ("operator", "imatmul"): (0,),
    ("operator", "ior"): (0,),
    ("operator", "ipow"): (0,),
    ("operator", "irshift"): (0,),
    ("operator", "isub"): (0,),
    ("operator", "itruediv"): (0,),
    ("operator", "ixor"): (0,),
    ("builtins", "setattr"): (0,),
    ("builtins", "delattr"): (0,),
    ("builtins", "next"): (0,),
    ("builtins", "anext"): (0,),
    ("itertools", "batched"): (),
    ("numpy", "at"): (0,),
}
"""Library functions that change an argument, with its positions.

Keys are the function's ``__module__`` (leading underscore dropped) and name.
"""
