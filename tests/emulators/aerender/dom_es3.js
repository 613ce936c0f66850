/* From here on only what ECMAScript 3 knows. */
(function (global) {
    var newer = {
        Array: ["isArray", "from", "of"],
        Object: ["keys", "create", "defineProperties", "freeze", "seal", "getPrototypeOf",
            "getOwnPropertyNames", "assign", "entries", "values", "is", "setPrototypeOf",
            "isFrozen", "isSealed", "preventExtensions", "isExtensible",
            "getOwnPropertyDescriptor"],
        Date: ["now"],
        Number: ["isFinite", "isNaN", "isInteger"]
    };
    var kind;
    var i;
    for (kind in newer) {
        for (i = 0; i < newer[kind].length; i += 1) {
            delete global[kind][newer[kind][i]];
        }
    }
    newer = {
        Array: ["forEach", "map", "filter", "reduce", "reduceRight", "some", "every",
            "lastIndexOf", "find", "includes"],
        String: ["trim", "startsWith", "endsWith", "includes", "repeat", "padStart"],
        Function: ["bind"],
        Date: ["toISOString", "toJSON"]
    };
    for (kind in newer) {
        for (i = 0; i < newer[kind].length; i += 1) {
            delete global[kind].prototype[newer[kind][i]];
        }
    }
    delete global.JSON;
    delete global.Promise;
    delete global.Symbol;
    delete global.Proxy;
    delete global.Reflect;
}(this));
