# Flattens one JSON document into lines "path<TAB>value"; path parts are joined by "/", list items are numbered
# from 0. Strings are unescaped, newlines inside them become \001 so that a line stays a line.
function token() {
    if (!match(text, /^[ \t\r\n]*("([^"\\]|\\.)*"|true|false|null|-?[0-9][-+0-9.eE]*|[][{}:,])/)) { exit 1 }
    tok = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    sub(/^[ \t\r\n]+/, "", tok)
    return tok
}
function plain(s,    out, at, c) {
    s = substr(s, 2, length(s) - 2)
    out = ""
    while ((at = index(s, "\\")) > 0) {
        out = out substr(s, 1, at - 1)
        c = substr(s, at + 1, 1)
        s = substr(s, at + 2)
        if (c == "n") out = out "\001"
        else if (c == "t") out = out "\t"
        else if (c == "r" || c == "b" || c == "f") out = out ""
        else if (c == "u") {
            c = index("0123456789abcdef", tolower(substr(s, 3, 1))) * 16 - 16
            c += index("0123456789abcdef", tolower(substr(s, 4, 1))) - 1
            out = out (substr(s, 1, 2) == "00" && c < 128 ? sprintf("%c", c) : "?")
            s = substr(s, 5)
        }
        else out = out c
    }
    return out s
}
function value(path, t,    key, n) {
    if (t == "{") {
        t = token()
        while (t != "}") {
            if (t == ",") t = token()
            key = plain(t)
            token()
            value(path "/" key, token())
            t = token()
        }
    } else if (t == "[") {
        n = 0
        t = token()
        while (t != "]") {
            if (t == ",") t = token()
            value(path "/" n++, t)
            t = token()
        }
    } else if (substr(t, 1, 1) == "\"") print path "\t" plain(t)
    else print path "\t" t
}
{ text = text $0 "\n" }
END { value("", token()) }
