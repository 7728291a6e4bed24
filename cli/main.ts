const x: string = "hi";
console.log(x, process.versions.node);
