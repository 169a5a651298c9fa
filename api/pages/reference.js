"use strict";
Redoc.init("/openapi.json", { nativeScrollbars: true, disableSearch: false }, document.getElementById("reference"));
