/* What a script that reads a whole project finds beside dom.js: the classes of layers and footage,
   the tree of properties with its expressions, folders, essential properties, fonts in use. */
(function (global) {
    var attribute = HOST.attribute;
    var settings = HOST.settings;
    var kinds = HOST.kinds;
    var root = {id: 1, name: "Root", parentFolder: null};
    var TYPES = {PROPERTY: 6212, INDEXED_GROUP: 6213, NAMED_GROUP: 6214};
    var STILLS = /\.(png|jpe?g|tiff?|psd|ai)$/i;
    var SOUNDS = /\.(wav|mp3|aac|aiff?)$/i;

    /* ---- classes of layers ---- */

    function below(Base) {
        function Kind(comp, model) {
            this.comp = comp;
            this.model = model;
        }
        function Between() {}
        Between.prototype = Base.prototype;
        Kind.prototype = new Between();
        return Kind;
    }

    var AVLayer = below(HOST.Layer);
    var classes = {
        AVLayer: AVLayer, TextLayer: below(AVLayer), ShapeLayer: below(AVLayer),
        CameraLayer: below(HOST.Layer), LightLayer: below(HOST.Layer)
    };
    var byType = {4: classes.ShapeLayer, 5: classes.TextLayer, 13: classes.CameraLayer};
    var name;
    for (name in classes) {
        if (classes.hasOwnProperty(name)) {
            global[name] = classes[name];
        }
    }

    kinds.layer = function (comp, model) {
        return new (byType[model.ty] || AVLayer)(comp, model);
    };

    attribute(HOST.Layer.prototype, "index", function () {
        return this.comp.model.layers.indexOf(this.model) + 1;
    });
    attribute(HOST.Layer.prototype, "id", function () {
        return settings.directions ? this.comp.id * 1000 + this.model.ind : undefined;
    });
    attribute(HOST.Layer.prototype, "parent", function () {
        var layers = this.comp.model.layers;
        var i;
        for (i = 0; i < layers.length; i += 1) {
            if (this.model.parent && layers[i].ind === this.model.parent) {
                return kinds.layer(this.comp, layers[i]);
            }
        }
        return null;
    });
    attribute(HOST.Layer.prototype, "nullLayer", function () {
        return this.model.ty === 3;
    });
    attribute(HOST.Layer.prototype, "adjustmentLayer", function () {
        return this.model.ao === 1;
    });

    /* ---- the tree of properties; an expression is where Lottie has it ---- */

    function leaf(matchName, owner) {
        return {
            propertyType: TYPES.PROPERTY, matchName: matchName, canSetExpression: true,
            expression: owner.x || "", expressionEnabled: !!owner.x && owner.off !== true
        };
    }

    function branch(matchName, children) {
        return {
            propertyType: TYPES.NAMED_GROUP, matchName: matchName, numProperties: children.length,
            property: function (index) {
                return children[index - 1];
            }
        };
    }

    kinds.groups = function (model) {
        var transform = {
            a: "ADBE Anchor Point", p: "ADBE Position", s: "ADBE Scale", r: "ADBE Rotate Z",
            o: "ADBE Opacity"
        };
        var groups = [];
        var leaves = [];
        var field;
        var i;
        var j;
        var inner;
        if (model.ty === 5) {
            groups.push(branch("ADBE Text Properties", [leaf("ADBE Text Document", model.t.d)]));
        }
        for (field in transform) {
            if (model.ks && model.ks[field]) {
                leaves.push(leaf(transform[field], model.ks[field]));
            }
        }
        groups.push(branch("ADBE Transform Group", leaves));
        leaves = [];
        for (i = 0; i < (model.ef || []).length; i += 1) {
            inner = [];
            for (j = 0; j < model.ef[i].ef.length; j += 1) {
                inner.push(leaf(model.ef[i].ef[j].mn || "ADBE Slider Control-0001",
                    model.ef[i].ef[j].v));
            }
            leaves.push(branch(model.ef[i].mn || "ADBE Slider Control", inner));
        }
        groups.push(branch("ADBE Effect Parade", leaves));
        return groups;
    };
    attribute(HOST.Layer.prototype, "numProperties", function () {
        return kinds.groups(this.model).length;
    });

    HOST.TextProperty.prototype.keyValue = function (index) {
        var content = new HOST.TextDocument(this.layer);
        content.text = this.layer.model.t.d.k[index - 1].s.t;
        return content;
    };
    HOST.TextProperty.prototype.valueAtTime = function (_time, before) {
        var content = new HOST.TextDocument(this.layer);
        if (this.layer.model.t.d.x && !before) {
            content.text = "what an expression made of it";
        }
        return content;
    };

    /* ---- sound: ``au`` is a layer's level in decibels, ``mute`` its switch ---- */

    attribute(HOST.Layer.prototype, "hasAudio", function () {
        var source = this.source;
        return source instanceof CompItem || (source instanceof FootageItem && source.hasAudio);
    });
    attribute(HOST.Layer.prototype, "audioEnabled", function () {
        return this.hasAudio && this.model.mute !== true;
    });
    attribute(HOST.Layer.prototype, "stretch", function () {
        return 100 * (this.model.sr || 1);
    });
    kinds.levels = function (model) {
        var owner = model.au || {a: 0, k: 0};
        function value(found) {
            return [found, found];
        }
        return {
            numKeys: owner.a === 1 ? owner.k.length : 0,
            expressionEnabled: !!owner.x,
            valueAtTime: function () {
                return value(owner.a === 1 ? owner.k[0].s[0] : owner.k);
            }
        };
    };

    /* ---- footage ---- */

    global.FileSource = function (item) {
        this.isStill = STILLS.test(item.model.file);
        this.missingFootagePath = item.footageMissing ? item.model.told || item.model.file : "";
    };
    global.SolidSource = function () {};
    global.PlaceholderSource = function () {};
    attribute(HOST.FootageItem.prototype, "mainSource", function () {
        var sources = {solid: global.SolidSource, placeholder: global.PlaceholderSource};
        return new (sources[this.model.type] || global.FileSource)(this);
    });
    attribute(HOST.FootageItem.prototype, "hasAudio", function () {
        return SOUNDS.test(this.model.file || "");
    });
    attribute(HOST.FootageItem.prototype, "hasVideo", function () {
        return !this.hasAudio;
    });
    attribute(HOST.FootageItem.prototype, "duration", function () {
        return this.model.seconds || 0;
    });

    /* ---- compositions, folders, the project ---- */

    attribute(HOST.CompItem.prototype, "workAreaStart", function () {
        return 0;
    });
    attribute(HOST.CompItem.prototype, "workAreaDuration", function () {
        return this.duration;
    });
    attribute(HOST.CompItem.prototype, "motionGraphicsTemplateControllerCount", function () {
        return (this.model.essentials || []).length;
    });
    HOST.CompItem.prototype.getMotionGraphicsTemplateControllerName = function (index) {
        return this.model.essentials[index - 1];
    };

    global.FolderItem = function (id, name, parent) {
        this.id = id;
        this.name = name;
        this.parentFolder = parent;
    };

    /* Gives every item its folder; ``folder`` of the model is a path. */
    kinds.folders = function (items) {
        var known = {};
        var count = items.length;
        var i;
        var j;
        var parts;
        var path;
        var folder;
        for (i = 0; i < count; i += 1) {
            folder = root;
            path = "";
            parts = items[i].model.folder ? items[i].model.folder.split("/") : [];
            for (j = 0; j < parts.length; j += 1) {
                path += "/" + parts[j];
                if (!known[path]) {
                    known[path] = new global.FolderItem(100000 + items.length, parts[j], folder);
                    items.push(known[path]);
                }
                folder = known[path];
            }
            items[i].parentFolder = folder;
        }
    };

    kinds.project = function (project, items) {
        project.rootFolder = root;
        if (settings.directions) { // fonts can be asked for since 2024
            attribute(project, "usedFonts", function () {
                var found = [];
                var i;
                var j;
                var layer;
                for (i = 0; i < items.length; i += 1) {
                    for (j = 1; j <= (items[i].numLayers || 0); j += 1) {
                        layer = items[i].layer(j);
                        if (layer.model.ty === 5) {
                            found.push({font: new HOST.TextDocument(layer).fontObject});
                        }
                    }
                }
                return found;
            });
        }
        return project;
    };
    global.PropertyType = TYPES;
}(this));
