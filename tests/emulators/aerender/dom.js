/* The part of After Effects' object model that scripts of ours use, over the emulator's project.

   Follows the scripting guide: collections count from 1, properties are found by match name, times
   are seconds, a TextDocument is a copy until it is set. What only reading a project needs is in
   dom_read.js; dom_es3.js then cuts the library, so a script finds what ExtendScript has. */
var HOST = (function (global) {
    var define = Object.defineProperty;
    var parse = JSON.parse;
    var stringify = JSON.stringify;
    var settings = parse(call_python("settings"));
    var items = [];
    var opened = null;
    var kinds = {}; // filled by dom_read.js

    function attribute(target, name, get, set) {
        define(target, name, {get: get, set: set || function () {
            throw new Error("Unable to set \"" + name + "\": the property is read-only");
        }, enumerable: true});
    }

    /* ---- files ---- */

    function Folder(path) {
        this.fsName = path;
    }

    function File(path) {
        var self = this;
        var mode = null;
        var text = "";
        this.fsName = path;
        this.encoding = "BINARY";
        this.lineFeed = "Windows";
        this.error = "";
        this.open = function (how) {
            mode = how;
            text = "";
            return how === "w" || this.exists;
        };
        this.read = function () {
            return mode === "r" ? call_python("read_text", self.fsName, self.encoding) : "";
        };
        this.write = function (more) {
            text += more;
            return mode === "w";
        };
        this.close = function () {
            var fine = mode === "w" ? call_python("write_text", self.fsName, text) : true;
            mode = null;
            return fine;
        };
        this.rename = function (name) {
            var target = self.parent.fsName + "/" + name;
            var fine = name.indexOf("/") < 0 && call_python("rename", self.fsName, target);
            self.fsName = fine ? target : self.fsName;
            return fine;
        };
    }
    attribute(File.prototype, "exists", function () {
        return call_python("exists", this.fsName);
    });
    attribute(File.prototype, "name", function () {
        return this.fsName.substring(this.fsName.lastIndexOf("/") + 1);
    });
    attribute(File.prototype, "parent", function () {
        return new Folder(this.fsName.substring(0, this.fsName.lastIndexOf("/")));
    });

    /* ---- properties ---- */

    function plain(value) {
        return value instanceof Array && value.length === 1 ? value[0] : value;
    }

    /* A property over a Lottie one: {a, k}. ``fps`` turns keyframes' frames into seconds. */
    function Property(owner, fps) {
        this.owner = owner;
        this.fps = fps;
    }
    attribute(Property.prototype, "numKeys", function () {
        return this.owner.a === 1 ? this.owner.k.length : 0;
    });
    attribute(Property.prototype, "value", function () {
        var value = plain(this.owner.a === 1 ? this.owner.k[0].s : this.owner.k);
        return value instanceof Array ? value.slice(0) : value;
    });
    Property.prototype.keyTime = function (index) {
        return this.owner.k[index - 1].t / this.fps;
    };
    Property.prototype.removeKey = function (index) {
        var gone = this.owner.k.splice(index - 1, 1)[0];
        if (this.owner.k.length === 0) {
            this.owner.a = 0;
            this.owner.k = plain(gone.s);
        }
    };
    Property.prototype.setValue = function (value) {
        if (this.owner.a === 1) {
            throw new Error("the property has keyframes");
        }
        this.owner.k = value;
    };
    Property.prototype.setValueAtTime = function (time, value) {
        var frame = time * this.fps;
        var keys = this.owner.a === 1 ? this.owner.k : [];
        var ease = {x: [0.5], y: [0.5]};
        var i = 0;
        while (i < keys.length && keys[i].t < frame - 0.01) {
            i += 1;
        }
        if (i < keys.length && keys[i].t < frame + 0.01) {
            keys[i].s = [value];
        } else {
            keys.splice(i, 0, {t: frame, s: [value], i: ease, o: ease});
        }
        this.owner.a = 1;
        this.owner.k = keys;
    };

    function TextDocument(layer) {
        var content = layer.model.t.d.k[0].s;
        var family = content.f;
        this.text = content.t;
        this.font = family;
        this.fontObject = {
            postScriptName: family,
            isSubstitute: settings.substitute.indexOf(family) >= 0
        };
    }

    function TextProperty(layer) {
        this.layer = layer;
    }
    attribute(TextProperty.prototype, "numKeys", function () {
        var keys = this.layer.model.t.d.k;
        return keys.length > 1 ? keys.length : 0;
    });
    attribute(TextProperty.prototype, "value", function () {
        return new TextDocument(this.layer);
    });
    TextProperty.prototype.removeKey = function (index) {
        this.layer.model.t.d.k.splice(index - 1, 1);
        this.layer.model.t.d.k[0].t = 0;
    };
    TextProperty.prototype.setValue = function (content) {
        if (this.numKeys > 0) {
            throw new Error("the property has keyframes");
        }
        if (settings.deaf.indexOf(this.layer.name) < 0) {
            this.layer.model.t.d.k[0].s.t = String(content.text).split("\n").join("\r");
        }
    };

    function Group(find) {
        this.property = function (name) {
            return find(name) || null;
        };
    }

    /* ---- layers ---- */

    function Layer(comp, model) {
        this.comp = comp;
        this.model = model;
    }

    function time(field) {
        attribute(Layer.prototype, field[0], function () {
            return this.model[field[1]] / this.comp.model.fr;
        }, function (seconds) {
            this.model[field[1]] = seconds * this.comp.model.fr;
        });
    }
    time(["startTime", "st"]);
    time(["inPoint", "ip"]);
    time(["outPoint", "op"]);
    attribute(Layer.prototype, "name", function () {
        return this.model.nm;
    });
    attribute(Layer.prototype, "source", function () {
        var id = this.model.refId ? Number(this.model.refId.substring(5)) : 0;
        var i;
        for (i = 0; i < items.length; i += 1) {
            if (items[i].id === id) {
                return items[i];
            }
        }
        return null;
    });
    attribute(Layer.prototype, "enabled", function () {
        return !this.model.hd;
    }, function (on) {
        this.free();
        this.model.hd = !on;
    });
    attribute(Layer.prototype, "locked", function () {
        return this.model.locked === true;
    }, function (on) {
        this.model.locked = on;
    });
    attribute(Layer.prototype, "timeRemapEnabled", function () {
        return this.model.tm !== undefined;
    }, function (on) {
        var source = this.source;
        var remap;
        if (on && !this.model.tm) {
            this.model.tm = {a: 1, k: []};
            remap = new Property(this.model.tm, this.comp.model.fr);
            remap.setValueAtTime(this.startTime, 0);
            remap.setValueAtTime(this.startTime + source.duration, source.duration);
        }
    });
    Layer.prototype.free = function () {
        if (this.model.locked === true) {
            throw new Error("layer " + this.model.nm + " is locked");
        }
    };
    Layer.prototype.property = function (name) {
        if (typeof name === "number") {
            return kinds.groups(this.model)[name - 1];
        }
        var model = this.model;
        var fps = this.comp.model.fr;
        var self = this;
        if (name === "ADBE Text Properties" && model.ty === 5) {
            return new Group(function (inner) {
                return inner === "ADBE Text Document" && new TextProperty(self);
            });
        }
        if (name === "ADBE Transform Group") {
            return new Group(function (inner) {
                var fields = {"ADBE Opacity": "o", "ADBE Scale": "s"};
                return fields.hasOwnProperty(inner) && new Property(model.ks[fields[inner]], fps);
            });
        }
        if (name === "ADBE Effect Parade") {
            return new Group(function (inner) {
                var i;
                for (i = 0; i < (model.ef || []).length; i += 1) {
                    if (model.ef[i].nm === inner) {
                        return effect(model.ef[i], fps);
                    }
                }
                return null;
            });
        }
        if (name === "ADBE Audio Group") {
            return this.hasAudio && new Group(function (inner) {
                return inner === "ADBE Audio Levels" && kinds.levels(model);
            });
        }
        return name === "ADBE Time Remapping" && model.tm ? new Property(model.tm, fps) : null;
    };
    Layer.prototype.replaceSource = function (item, _fix) {
        this.free();
        this.model.refId = "item:" + item.id;
    };
    Layer.prototype.remove = function () {
        this.free();
        this.comp.model.layers.splice(this.comp.model.layers.indexOf(this.model), 1);
    };

    function effect(model, fps) {
        return {property: function (index) {
            return new Property(model.ef[index - 1].v, fps);
        }};
    }

    /* ---- items ---- */

    function CompItem(model) {
        var self = this;
        this.model = model;
        this.id = model.id;
        this.displayStartTime = 0;
        this.layers = {add: function (item) {
            var top = 0;
            var i;
            for (i = 0; i < model.layers.length; i += 1) {
                top = Math.max(top, model.layers[i].ind || 0);
            }
            model.layers.splice(0, 0, {
                ty: 0, nm: item.name, ind: top + 1, refId: "item:" + item.id, w: item.width,
                h: item.height, ip: 0, op: Math.min(model.op, item.duration * model.fr), st: 0,
                sr: 1, bm: 0,
                ks: {
                    o: {a: 0, k: 100}, r: {a: 0, k: 0},
                    p: {a: 0, k: [model.w / 2, model.h / 2, 0]},
                    a: {a: 0, k: [item.width / 2, item.height / 2, 0]},
                    s: {a: 0, k: [100, 100, 100]}
                }
            });
            return kinds.layer(self, model.layers[0]);
        }};
    }
    attribute(CompItem.prototype, "name", function () {
        return this.model.name;
    });
    attribute(CompItem.prototype, "width", function () {
        return this.model.w;
    });
    attribute(CompItem.prototype, "height", function () {
        return this.model.h;
    });
    attribute(CompItem.prototype, "numLayers", function () {
        return this.model.layers.length;
    });
    attribute(CompItem.prototype, "duration", function () {
        return this.model.op / this.model.fr;
    }, function (seconds) {
        this.model.op = Math.round(seconds * this.model.fr);
    });
    attribute(CompItem.prototype, "frameRate", function () {
        return this.model.fr;
    }, function (rate) {
        if (rate !== this.model.fr) {
            throw new Error("the emulator does not convert frame rates");
        }
    });
    CompItem.prototype.layer = function (index) {
        if (!(index >= 1 && index <= this.model.layers.length)) {
            throw new Error("no layer " + index);
        }
        return kinds.layer(this, this.model.layers[index - 1]);
    };
    CompItem.prototype.duplicate = function () {
        var model = parse(stringify(this.model));
        model.name = this.model.name + " 2";
        return added(CompItem, model);
    };

    function FootageItem(model) {
        this.model = model;
        this.id = model.id;
        this.name = model.name;
        this.width = model.w;
        this.height = model.h;
    }
    attribute(FootageItem.prototype, "file", function () {
        return this.model.file && !this.footageMissing ? new File(absolute(this.model.file)) : null;
    });
    attribute(FootageItem.prototype, "footageMissing", function () {
        return !!this.model.file && !call_python("exists", absolute(this.model.file));
    });

    function absolute(path) {
        return path.charAt(0) === "/" ? path : opened.parent.fsName + "/" + path;
    }

    function added(Kind, model) {
        var top = 0;
        var i;
        for (i = 0; i < items.length; i += 1) {
            top = Math.max(top, items[i].id);
        }
        model.id = top + 1;
        items.push(new Kind(model));
        return items[items.length - 1];
    }

    /* ---- the application ---- */

    function Project(data) {
        this.item = function (index) {
            return items[index - 1];
        };
        this.importFile = function (options) {
            var size = parse(call_python("picture_size", options.file.fsName));
            return added(FootageItem, {
                type: "footage", name: options.file.name, file: options.file.fsName, w: size[0],
                h: size[1]
            });
        };
        this.save = function (file) {
            var i;
            data.items = [];
            for (i = 0; i < items.length; i += 1) {
                if (items[i].model) { // a folder is only where others are
                    data.items.push(items[i].model);
                }
            }
            call_python("write_project", file.fsName, stringify(data));
        };
        this.close = function () {
            app.project = null;
        };
        attribute(this, "numItems", function () {
            return items.length;
        });
    }

    var app = {
        version: settings.version,
        project: null,
        open: function (file) {
            var text = call_python("read_project", file.fsName);
            var data;
            var i;
            if (text.charAt(0) !== "{") {
                throw new Error("After Effects error: Unable to open project. " + text);
            }
            data = parse(text);
            opened = file;
            items = [];
            for (i = 0; i < data.items.length; i += 1) {
                items.push(data.items[i].type === "comp" ? new CompItem(data.items[i])
                    : new FootageItem(data.items[i]));
            }
            kinds.folders(items);
            app.project = kinds.project(new Project(data), items);
        },
        beginSuppressDialogs: function () {},
        endSuppressDialogs: function () {},
        quit: function () {
            call_python("quit");
        }
    };

    global.app = app;
    global.File = File;
    global.Folder = Folder;
    global.CompItem = CompItem;
    global.FootageItem = FootageItem;
    global.ImportOptions = function (file) {
        this.file = file;
    };
    global.CloseOptions = {DO_NOT_SAVE_CHANGES: 1212, SAVE_CHANGES: 1213};
    global.$ = {fileName: settings.script};
    if (settings.directions) {
        global.ParagraphDirection = {
            DIRECTION_LEFT_TO_RIGHT: 1, DIRECTION_RIGHT_TO_LEFT: 2
        };
    }
    return {
        attribute: attribute, settings: settings, kinds: kinds, Layer: Layer, CompItem: CompItem,
        FootageItem: FootageItem, TextDocument: TextDocument, TextProperty: TextProperty
    };
}(this));
