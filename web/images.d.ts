/** Types of images.js. */
export declare function upgradeImages(root?: ParentNode & Node): () => void;
