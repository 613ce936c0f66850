/* Binds a customer's values into a copy of a project, and proves each binding.

   Run by After Effects (-noui -r) after common.jsx, never with anything of a tenant's in it: values
   come from sidecar.json, as data. Properties are asked for by match name, which is the same in
   every language. What was done is read back from the project and written to the result; whoever
   started this compares. A binding that finds no layer, or reads back otherwise,
   fails the job: a template's own defaults are never sold as somebody's video.
*/
(function () {
    var PROPERTY_REMAP = "ADBE Time Remapping";

    /* ---- the project ---- */

    function comps() {
        var found = [];
        var i;
        for (i = 1; i <= app.project.numItems; i += 1) {
            if (app.project.item(i) instanceof CompItem) {
                found.push(app.project.item(i));
            }
        }
        return found;
    }

    function compNamed(names) {
        var all = comps();
        var i;
        var j;
        for (i = 0; i < names.length; i += 1) {
            for (j = 0; j < all.length; j += 1) {
                if (all[j].name === names[i]) {
                    return all[j];
                }
            }
        }
        return null;
    }

    function sourceComp(layer) {
        return layer.source && layer.source instanceof CompItem ? layer.source : null;
    }

    function contains(list, item) {
        var i;
        for (i = 0; i < list.length; i += 1) {
            if (list[i] === item || (list[i].id !== undefined && list[i].id === item.id)) {
                return true;
            }
        }
        return false;
    }

    /* A composition and all that it is made of. */
    function within(comp) {
        var found = [comp];
        var next = 0;
        var i;
        var inner;
        while (next < found.length) {
            for (i = 1; i <= found[next].numLayers; i += 1) {
                inner = sourceComp(found[next].layer(i));
                if (inner && !contains(found, inner)) {
                    found.push(inner);
                }
            }
            next += 1;
        }
        return found;
    }

    function layersNamed(names, scope) {
        var found = [];
        var i;
        var j;
        var k;
        for (i = 0; i < names.length && found.length === 0; i += 1) {
            for (j = 0; j < scope.length; j += 1) {
                for (k = 1; k <= scope[j].numLayers; k += 1) {
                    if (scope[j].layer(k).name === names[i]) {
                        found.push(scope[j].layer(k));
                    }
                }
            }
        }
        return found;
    }

    /* Copies a composition and every composition in it: two copies of a scene share nothing. */
    function deepCopy(comp, made) {
        var i;
        var copy;
        var inner;
        for (i = 0; i < made.length; i += 1) {
            if (made[i].from.id === comp.id) {
                return made[i].to;
            }
        }
        copy = comp.duplicate();
        made.push({from: comp, to: copy});
        for (i = 1; i <= copy.numLayers; i += 1) {
            inner = sourceComp(copy.layer(i));
            if (inner) {
                unlocked(copy.layer(i)).replaceSource(deepCopy(inner, made), false);
            }
        }
        return copy;
    }

    function unlocked(layer) {
        if (layer.locked) {
            layer.locked = false;
        }
        return layer;
    }

    function clearKeys(property) {
        while (property.numKeys > 0) {
            property.removeKey(property.numKeys);
        }
    }

    /* ---- the kinds of binding: each does its work and returns what the project now says ---- */

    function setText(layer, text, rtl) {
        var property = FLATRENDER.textProperty(layer);
        var content;
        if (!property) {
            throw new Error("layer " + layer.name + " is no text layer");
        }
        clearKeys(property);
        content = property.value;
        content.text = text;
        if (rtl !== null && typeof ParagraphDirection !== "undefined") {
            content.direction = rtl ? ParagraphDirection.DIRECTION_RIGHT_TO_LEFT
                : ParagraphDirection.DIRECTION_LEFT_TO_RIGHT;
        }
        property.setValue(content);
        return property.value.text;
    }

    function setMedia(layer, binding) {
        var before = layer.source;
        var item;
        var scale;
        var times;
        var old;
        if (!before || before instanceof CompItem) {
            throw new Error("layer " + layer.name + " shows no footage");
        }
        item = app.project.importFile(new ImportOptions(new File(binding.value)));
        layer.replaceSource(item, true);
        if (binding.fit === "cover" && item.width > 0 && item.height > 0) {
            times = Math.max(before.width / item.width, before.height / item.height);
            if (Math.abs(times - 1) > 0.0001) {
                scale = layer.property("ADBE Transform Group").property("ADBE Scale");
                clearKeys(scale);
                old = scale.value;
                scale.setValue([old[0] * times, old[1] * times, old.length > 2 ? old[2] : 100]);
            }
        }
        return layer.source.file.fsName;
    }

    function setControl(layer, binding) {
        var parade = layer.property("ADBE Effect Parade");
        var effect = parade ? parade.property(binding.effect) : null;
        if (!effect) {
            throw new Error("layer " + layer.name + " has no effect " + binding.effect);
        }
        clearKeys(effect.property(1));
        effect.property(1).setValue(binding.value);
        return effect.property(1).value;
    }

    function applied(layer, binding) {
        unlocked(layer);
        switch (binding.kind) {
        case "text":
            return setText(layer, binding.value, binding.rtl);
        case "media":
            return setMedia(layer, binding);
        case "control":
            return setControl(layer, binding);
        case "visible":
            layer.enabled = binding.value;
            return layer.enabled;
        default:
            throw new Error("no binding of kind " + binding.kind);
        }
    }

    function bind(binding, scope, proofs) {
        var layers = layersNamed(binding.layers, scope);
        var i;
        if (binding.beside.length > 0 && layersNamed(binding.beside, scope).length === 0) {
            layers = [];
        }
        if (layers.length === 0 && binding.optional) {
            proofs.push({id: binding.id, layer: null, applied: null});
        }
        if (layers.length === 0 && !binding.optional) {
            throw new Error("no layer " + binding.layers.join(" or ") + " (" + binding.id + ")");
        }
        for (i = 0; i < layers.length; i += 1) {
            proofs.push({id: binding.id, layer: layers[i].name,
                applied: applied(layers[i], binding)});
        }
    }

    /* ---- time ---- */

    /* Sets keys (time, value) and takes away every other one. */
    function setKeys(property, wanted) {
        var i;
        var j;
        var kept;
        for (i = 0; i < wanted.length; i += 1) {
            property.setValueAtTime(wanted[i][0], wanted[i][1]);
        }
        for (i = property.numKeys; i > 0; i -= 1) {
            kept = false;
            for (j = 0; j < wanted.length; j += 1) {
                kept = kept || Math.abs(property.keyTime(i) - wanted[j][0]) < 0.0005;
            }
            if (!kept) {
                property.removeKey(i);
            }
        }
    }

    /* Plays a scene's layer from start for duration; intro and outro keep their speed. */
    function place(layer, scene) {
        var end = scene.start + scene.duration;
        var remap;
        var wanted;
        var opacity;
        unlocked(layer);
        if (Math.abs(scene.duration - scene.natural) > 0.0005) {
            layer.startTime = scene.start;
            layer.timeRemapEnabled = true;
            remap = layer.property(PROPERTY_REMAP);
            wanted = [[scene.start, 0], [end, scene.natural]];
            if (scene.intro > 0) {
                wanted.push([scene.start + scene.intro, scene.intro]);
            }
            if (scene.outro > 0) {
                wanted.push([end - scene.outro, scene.natural - scene.outro]);
            }
            setKeys(remap, wanted);
        } else {
            layer.startTime = scene.start;
        }
        layer.inPoint = scene.start;
        layer.outPoint = end;
        if (scene.fade > 0) {
            opacity = layer.property("ADBE Transform Group").property("ADBE Opacity");
            opacity.setValueAtTime(scene.start, 0);
            opacity.setValueAtTime(scene.start + scene.fade, 100);
        }
        return {id: scene.id, start: layer.inPoint, end: layer.outPoint};
    }

    function sceneLayers(comp, source) {
        var found = [];
        var i;
        var inner;
        for (i = 1; i <= comp.numLayers; i += 1) {
            inner = sourceComp(comp.layer(i));
            if (inner && inner.id === source.id) {
                found.push(comp.layer(i));
            }
        }
        return found;
    }

    /* Fills the empty stage: a copy of each scene's composition, in order, later ones above. */
    function assemble(order, stage) {
        var sources = [];
        var copies = [];
        var i;
        var j;
        var layers;
        for (i = 0; i < order.scenes.length; i += 1) {
            sources.push(compNamed(order.scenes[i].comps));
            if (!sources[i]) {
                throw new Error("no composition " + order.scenes[i].comps.join(" or "));
            }
            copies.push(deepCopy(sources[i], []));
        }
        for (i = 0; i < sources.length; i += 1) {
            layers = sceneLayers(stage, sources[i]);
            for (j = layers.length - 1; j >= 0; j -= 1) {
                unlocked(layers[j]).remove();
            }
        }
        return copies;
    }

    /* ---- what is missing ---- */

    function missingFootage() {
        var found = [];
        var i;
        var item;
        for (i = 1; i <= app.project.numItems; i += 1) {
            item = app.project.item(i);
            if (item instanceof FootageItem && item.footageMissing) {
                found.push(item.name);
            }
        }
        return found;
    }

    /* Every file that the project reads, proxies included: whose they are is told by their place. */
    function filesRead() {
        var found = [];
        var i;
        var item;
        for (i = 1; i <= app.project.numItems; i += 1) {
            item = app.project.item(i);
            if (item instanceof FootageItem && item.file) {
                found.push(item.file.fsName);
            }
            if (item.proxySource && item.proxySource.file) {
                found.push(item.proxySource.file.fsName);
            }
        }
        return found;
    }

    function missingFonts(scope) {
        var found = [];
        var seen = {};
        var i;
        var j;
        var text;
        var font;
        for (i = 0; i < scope.length; i += 1) {
            for (j = 1; j <= scope[i].numLayers; j += 1) {
                text = FLATRENDER.textProperty(scope[i].layer(j));
                font = text ? text.value.fontObject : null;
                if (font && font.isSubstitute && !seen.hasOwnProperty(font.postScriptName)) {
                    seen[font.postScriptName] = true;
                    found.push(font.postScriptName);
                }
            }
        }
        return found;
    }

    /* ---- the work ---- */

    function work(order, result) {
        var stage;
        var copies = [];
        var share;
        var scene;
        var target;
        var layers;
        var i;
        var j;
        stage = compNamed(order.finals);
        if (!stage) {
            throw new Error("no composition " + order.finals.join(" or "));
        }
        result.comp = stage.name;
        result.missing_footage = missingFootage();
        result.files = filesRead();
        if (stage.name === order.assembled) {
            copies = assemble(order, stage);
        }
        stage.frameRate = order.fps;
        stage.duration = order.frames / order.fps;
        stage.displayStartTime = 0;
        for (i = 0; i < order.scenes.length; i += 1) {
            scene = order.scenes[i];
            target = copies.length > 0 ? copies[i] : compNamed(scene.comps);
            layers = [];
            if (copies.length > 0) {
                layers = [stage.layers.add(target)];
            } else if (target) {
                layers = sceneLayers(stage, target);
            }
            if (layers.length === 0 && Math.abs(scene.duration - scene.natural) > 0.0005) {
                throw new Error("scene " + scene.id + " has no layer whose duration could change");
            }
            for (j = 0; j < layers.length; j += 1) {
                result.scenes.push(place(layers[j], scene));
            }
            for (j = 0; j < scene.bindings.length; j += 1) {
                bind(scene.bindings[j], target ? within(target) : comps(), result.bindings);
            }
        }
        share = compNamed(["frshare"]);
        for (i = 0; i < order.shared.length; i += 1) {
            bind(order.shared[i], order.shared[i].optional ? comps() : (share ? [share] : []),
                result.bindings);
        }
        result.missing_fonts = missingFonts(within(stage));
        result.width = stage.width;
        result.height = stage.height;
        result.fps = stage.frameRate;
        result.duration = stage.duration;
        app.project.save(new File(order.bound));
    }

    FLATRENDER.run({bindings: [], scenes: [], files: [], missing_footage: [], missing_fonts: []},
        work);
}());
