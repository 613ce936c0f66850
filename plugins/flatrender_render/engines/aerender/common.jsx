/* What every script of ours begins with: JSON, files, and the frame of a run.

   ExtendScript is ECMAScript 3 and has no JSON: a reader and a writer are below; nothing is ever
   evaluated. A run reads sidecar.json beside this file, opens the project that it names, lets its
   work be done and writes result.json; "started" and "opened" are signs for who waits outside.
*/
var FLATRENDER = (function () {
    var PROPERTY_TEXT = "ADBE Text Properties";
    var PROPERTY_DOCUMENT = "ADBE Text Document";
    var folder = new File($.fileName).parent.fsName;

    /* ---- JSON (RFC 8259) ---- */

    function parseJson(text) {
        var at = 0;

        function fail(what) {
            throw new Error("sidecar: " + what + " at " + at);
        }

        function space() {
            while (at < text.length && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at += 1;
            }
        }

        function word(expected, value) {
            if (text.substr(at, expected.length) !== expected) {
                fail("no value");
            }
            at += expected.length;
            return value;
        }

        function string() {
            var escapes = {"\"": "\"", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n",
                "r": "\r", "t": "\t"};
            var made = "";
            var c;
            at += 1;
            while (true) {
                if (at >= text.length) {
                    fail("a string without end");
                }
                c = text.charAt(at);
                at += 1;
                if (c === "\"") {
                    return made;
                }
                if (c !== "\\") {
                    made += c;
                } else {
                    c = text.charAt(at);
                    at += 1;
                    if (c === "u") {
                        made += String.fromCharCode(parseInt(text.substr(at, 4), 16));
                        at += 4;
                    } else if (escapes.hasOwnProperty(c)) {
                        made += escapes[c];
                    } else {
                        fail("a bad escape");
                    }
                }
            }
        }

        function number() {
            var start = at;
            while (at < text.length && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
                at += 1;
            }
            if (at === start || isNaN(Number(text.substring(start, at)))) {
                fail("no value");
            }
            return Number(text.substring(start, at));
        }

        function array() {
            var made = [];
            at += 1;
            space();
            if (text.charAt(at) === "]") {
                at += 1;
                return made;
            }
            while (true) {
                made.push(value());
                space();
                at += 1;
                if (text.charAt(at - 1) === "]") {
                    return made;
                }
                if (text.charAt(at - 1) !== ",") {
                    fail("an array without end");
                }
            }
        }

        function object() {
            var made = {};
            var key;
            at += 1;
            space();
            if (text.charAt(at) === "}") {
                at += 1;
                return made;
            }
            while (true) {
                space();
                if (text.charAt(at) !== "\"") {
                    fail("no name");
                }
                key = string();
                space();
                if (text.charAt(at) !== ":") {
                    fail("no colon");
                }
                at += 1;
                made[key] = value();
                space();
                at += 1;
                if (text.charAt(at - 1) === "}") {
                    return made;
                }
                if (text.charAt(at - 1) !== ",") {
                    fail("an object without end");
                }
            }
        }

        function value() {
            space();
            switch (text.charAt(at)) {
            case "{":
                return object();
            case "[":
                return array();
            case "\"":
                return string();
            case "t":
                return word("true", true);
            case "f":
                return word("false", false);
            case "n":
                return word("null", null);
            default:
                return number();
            }
        }

        var found = value();
        space();
        if (at !== text.length) {
            fail("more than one value");
        }
        return found;
    }

    function writeJson(value) {
        var parts = [];
        var i;
        var key;
        if (value === null || value === undefined) {
            return "null";
        }
        if (typeof value === "number") {
            return isFinite(value) ? String(value) : "null";
        }
        if (typeof value === "boolean") {
            return value ? "true" : "false";
        }
        if (typeof value === "string") {
            return quote(value);
        }
        if (value instanceof Array) {
            for (i = 0; i < value.length; i += 1) {
                parts.push(writeJson(value[i]));
            }
            return "[" + parts.join(",") + "]";
        }
        for (key in value) {
            if (value.hasOwnProperty(key)) {
                parts.push(quote(key) + ":" + writeJson(value[key]));
            }
        }
        return "{" + parts.join(",") + "}";
    }

    function quote(text) {
        var made = "\"";
        var i;
        var c;
        for (i = 0; i < text.length; i += 1) {
            c = text.charCodeAt(i);
            if (c === 34 || c === 92) {
                made += "\\" + text.charAt(i);
            } else if (c < 32 || c > 126) {
                made += "\\u" + ("0000" + c.toString(16)).slice(-4);
            } else {
                made += text.charAt(i);
            }
        }
        return made + "\"";
    }

    /* ---- files ---- */

    function readText(name) {
        var file = new File(folder + "/" + name);
        var text;
        file.encoding = "UTF-8";
        if (!file.open("r")) {
            throw new Error("cannot read " + name + ": " + file.error);
        }
        text = file.read();
        file.close();
        return text;
    }

    /* Written under another name first: who waits for a file never sees half of it. */
    function writeText(name, text) {
        var file = new File(folder + "/" + name + ".part");
        file.encoding = "UTF-8";
        file.lineFeed = "Unix";
        if (!file.open("w") || !file.write(text) || !file.close() || !file.rename(name)) {
            throw new Error("cannot write " + name + ": " + file.error);
        }
    }

    /* ---- the project ---- */

    /* The source text of a text layer, null for any other. */
    function textProperty(layer) {
        var group = layer.property(PROPERTY_TEXT);
        return group ? group.property(PROPERTY_DOCUMENT) : null;
    }

    /* ---- a run ---- */

    /* Opens the project of the order and has work(order, result) done; the result tells how. */
    function run(result, work) {
        var order;
        result.state = "failed";
        result.nonce = "";
        result.message = "";
        app.beginSuppressDialogs();
        try {
            writeText("started", "");
            order = parseJson(readText("sidecar.json"));
            result.nonce = order.nonce;
            result.after_effects = app.version;
            app.open(new File(order.project));
            writeText("opened", "");
            work(order, result);
            result.state = "done";
        } catch (error) {
            result.message = String(error.message || error)
                + (error.line ? " (line " + error.line + ")" : "");
        }
        writeText("result.json", writeJson(result));
        app.endSuppressDialogs(false);
        if (app.project) {
            app.project.close(CloseOptions.DO_NOT_SAVE_CHANGES);
        }
        app.quit();
    }

    return {textProperty: textProperty, writeText: writeText, run: run};
}());
