/* Tells what a project holds: comps, layers, texts and their fonts, footage, what is missing.

   Run by After Effects (-noui -r) after common.jsx. Reads and changes nothing. Names are the
   designer's and go out as they are; what they mean is decided by whoever reads the result. Times
   are seconds of their comp. Properties are named by match name, the same in every language.
*/
(function () {
    var NAME = 1024;
    var TEXT = 20000;
    var DEPTH = 12;
    var PROPERTIES = 5000;
    var EXPRESSIONS = 200;
    var NUMBERED = /\[\d+-\d+\]/;

    /* At most so many characters, and never half of one. */
    function cut(text, most) {
        var last;
        text = String(text);
        if (text.length <= most) {
            return text;
        }
        last = text.charCodeAt(most - 1);
        return text.substring(0, last >= 0xD800 && last <= 0xDBFF ? most - 1 : most);
    }

    function folderOf(item) {
        var parts = [];
        var folder = item.parentFolder;
        while (folder && folder.id !== app.project.rootFolder.id) {
            parts.unshift(folder.name);
            folder = folder.parentFolder;
        }
        return cut(parts.join("/"), NAME);
    }

    /* ---- footage ---- */

    function kindOfFootage(item) {
        var source = item.mainSource;
        if (source instanceof SolidSource) {
            return "solid";
        }
        if (source instanceof PlaceholderSource) {
            return "placeholder";
        }
        if (source.isStill) {
            return "image";
        }
        if (item.hasVideo) {
            return "video";
        }
        return item.hasAudio ? "audio" : "other";
    }

    function seenFootage(item) {
        var kind = kindOfFootage(item);
        var file = kind === "solid" || kind === "placeholder" ? null : item.file;
        var path = file ? file.fsName : "";
        if (kind !== "solid" && kind !== "placeholder" && item.footageMissing) {
            path = item.mainSource.missingFootagePath || path;
        }
        return {
            id: item.id,
            name: cut(item.name, NAME),
            kind: kind,
            path: path,
            width: item.width,
            height: item.height,
            duration: item.duration,
            sequence: NUMBERED.test(item.name) && kind === "video",
            missing: item.footageMissing
        };
    }

    /* ---- layers ---- */

    function kindOfLayer(layer) {
        if (layer instanceof TextLayer) {
            return "text";
        }
        if (layer instanceof ShapeLayer) {
            return "shape";
        }
        if (layer instanceof CameraLayer) {
            return "camera";
        }
        if (layer instanceof LightLayer) {
            return "light";
        }
        if (layer.nullLayer) {
            return "null";
        }
        if (layer.adjustmentLayer) {
            return "adjustment";
        }
        if (layer.source instanceof CompItem) {
            return "comp";
        }
        return layer.source instanceof FootageItem ? kindOfFootage(layer.source) : "other";
    }

    /* Adds the match names of properties below a group that an expression drives. */
    function driven(group, depth, budget, found) {
        var i;
        var j;
        var property;
        var known;
        for (i = 1; i <= group.numProperties && budget.left > 0; i += 1) {
            budget.left -= 1;
            property = group.property(i);
            if (property.propertyType !== PropertyType.PROPERTY) {
                if (depth < DEPTH) {
                    driven(property, depth + 1, budget, found);
                }
            } else if (property.canSetExpression && property.expressionEnabled
                    && property.expression !== "" && found.length < EXPRESSIONS) {
                known = false;
                for (j = 0; j < found.length; j += 1) {
                    known = known || found[j] === property.matchName;
                }
                if (!known) {
                    found.push(property.matchName);
                }
            }
        }
        return found;
    }

    /* The text that the designer wrote, before any expression: the first key's where there are. */
    function written(property) {
        return property.numKeys > 0 ? property.keyValue(1) : property.valueAtTime(0, true);
    }

    function lines(text) {
        return text.split("\r\n").join("\n").split("\r").join("\n").split("\x03").join("\n");
    }

    /* Ids of layers are After Effects' own from 2022 on; before, their places. */
    function idOf(layer, comp) {
        return layer.id === undefined ? comp.id * 10000 + layer.index : layer.id;
    }

    /* What is heard of a layer: where its source begins, how loud it is then, whether that stays. */
    function heard(layer) {
        var levels;
        var group;
        var sound;
        var level;
        if (!layer.hasAudio || !layer.audioEnabled) {
            return null;
        }
        sound = {start: layer.startTime, level_db: 0, varies: false};
        group = layer.property("ADBE Audio Group");
        levels = group ? group.property("ADBE Audio Levels") : null;
        if (levels) {
            level = levels.valueAtTime(layer.inPoint, true);
            level = level instanceof Array ? Math.max(level[0], level[1]) : level;
            sound.level_db = Math.min(Math.max(level, -1000), 1000);
            sound.varies = levels.numKeys > 1 || levels.expressionEnabled === true;
        }
        sound.varies = sound.varies || layer.timeRemapEnabled === true
            || (layer.stretch !== undefined && layer.stretch !== 100);
        return sound;
    }

    function seenLayer(layer, comp, fonts) {
        var property = FLATRENDER.textProperty(layer);
        var content = property ? written(property) : null;
        var seen = {
            id: idOf(layer, comp),
            name: cut(layer.name, NAME),
            kind: kindOfLayer(layer),
            // A layer that plays backwards ends before it begins.
            in_point: Math.min(layer.inPoint, layer.outPoint),
            out_point: Math.max(layer.inPoint, layer.outPoint),
            enabled: layer.enabled,
            source_id: layer.source ? layer.source.id : null,
            parent_id: layer.parent ? idOf(layer.parent, comp) : null,
            text: null,
            fonts: [],
            expressions: driven(layer, 0, {left: PROPERTIES}, []),
            sound: heard(layer)
        };
        if (content) {
            seen.text = cut(lines(content.text), TEXT);
            seen.fonts = [cut(content.font, NAME)];
            fonts.used[content.font] = true;
            if (content.fontObject && content.fontObject.isSubstitute) {
                fonts.substituted[content.font] = true;
            }
        }
        return seen;
    }

    function seenComp(comp, fonts) {
        var layers = [];
        var essentials = [];
        var i;
        for (i = 1; i <= comp.numLayers; i += 1) {
            layers.push(seenLayer(comp.layer(i), comp, fonts));
        }
        // Essential properties have names from 2019 on.
        for (i = 1; i <= (comp.motionGraphicsTemplateControllerCount || 0); i += 1) {
            essentials.push(cut(comp.getMotionGraphicsTemplateControllerName(i), NAME));
        }
        return {
            id: comp.id,
            name: cut(comp.name, NAME),
            width: comp.width,
            height: comp.height,
            fps: comp.frameRate,
            duration: comp.duration,
            work_start: comp.workAreaStart,
            work_end: comp.workAreaStart + comp.workAreaDuration,
            folder: folderOf(comp),
            layers: layers,
            essentials: essentials
        };
    }

    function names(set) {
        var found = [];
        var name;
        for (name in set) {
            if (set.hasOwnProperty(name)) {
                found.push(cut(name, NAME));
            }
        }
        return found.sort();
    }

    /* ---- the work ---- */

    function work(order, result) {
        var fonts = {used: {}, substituted: {}};
        var listed = app.project.usedFonts || [];
        var i;
        var item;
        for (i = 0; i < listed.length; i += 1) { // every run of every text; from 2024 on
            fonts.used[listed[i].font.postScriptName] = true;
            if (listed[i].font.isSubstitute) {
                fonts.substituted[listed[i].font.postScriptName] = true;
            }
        }
        for (i = 1; i <= app.project.numItems; i += 1) {
            item = app.project.item(i);
            if (item instanceof CompItem) {
                result.comps.push(seenComp(item, fonts));
                FLATRENDER.writeText("step-" + result.comps.length, "");
            } else if (item instanceof FootageItem) {
                result.footage.push(seenFootage(item));
            }
        }
        result.fonts = names(fonts.used);
        result.substituted = names(fonts.substituted);
    }

    FLATRENDER.run({comps: [], footage: [], fonts: [], substituted: []}, work);
}());
