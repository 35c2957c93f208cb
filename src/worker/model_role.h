/* worker/model_role.h - `craton-worker --role=model --socket=N`: loads one model and answers calls until its socket ends. */
#ifndef CRATON_WORKER_MODEL_ROLE_H
#define CRATON_WORKER_MODEL_ROLE_H

/* Owns fd. Returns the exit status: 0 after SHUTDOWN or the end of the socket, 1 when the peer broke the protocol or the model could
 * not be loaded. */
int model_role(int fd);

#endif
